import { join } from "node:path";
import { silentLogger } from "@vigie/core/log";
import type { TopicName } from "@vigie/schemas/catalogue";
import { type Codecs, openCodecs } from "@vigie/schemas/codecs";
import { afterAll } from "vitest";
import type { Pipeline } from "./pipeline.ts";

interface Personal {
  readonly tenant_id: string;
  readonly user_id: string;
}

/** Records as Vigie's own services and its neighbours write them, encoded by its codecs. */
export interface OwnRecords {
  encode(topic: TopicName, value: object): Buffer;
  /** Under the key of its person. Resolves once the broker has it. */
  send(topic: TopicName, value: Personal): Promise<void>;
}

/** For these topics, until the file's tests have ended. */
export async function ownRecords(
  pipeline: Pipeline,
  topics: readonly TopicName[],
): Promise<OwnRecords> {
  const codecs = await openPipelineCodecs(pipeline);
  afterAll(() => codecs.close());
  const encoders = new Map(topics.map((topic) => [topic, codecs.encoder<object>(topic)]));
  await codecs.ready();
  const encode: OwnRecords["encode"] = (topic, value) => {
    const encoder = encoders.get(topic);
    if (encoder === undefined) throw new Error(`${topic} is not among those that were asked for`);
    return Buffer.from(encoder.encode(value));
  };
  return {
    encode,
    async send(topic, value) {
      const key = `${value.tenant_id}|${value.user_id}`;
      await pipeline.producer.send(topic, [{ key, value: encode(topic, value) }]);
    },
  };
}

/** Whoever opens them closes them. */
export const openPipelineCodecs = ({ env, directory, prefix }: Pipeline): Promise<Codecs> =>
  openCodecs({
    registryUrl: env.SCHEMA_REGISTRY_URL ?? "",
    cacheDir: join(directory, "schemas-of-the-test"),
    prefix,
    log: silentLogger,
  });
