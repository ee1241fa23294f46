import { SessionName } from "@vigie/core/keys";
import type { TopicName } from "@vigie/schemas/catalogue";
import { redisSessions } from "@vigie/service-kit/sessions/redis-sessions";
import type { Found } from "@vigie/service-kit/sessions/session-store";
import { openPipelineCodecs } from "./own-records.ts";
import { type Pipeline, TENANT } from "./pipeline.ts";

export interface SessionRow {
  readonly session_key: string;
  readonly user_key: string;
  readonly status: string;
  readonly is_active: boolean;
  readonly version: number;
  readonly ip_address_hash: string | null;
  readonly ip_prefix: string | null;
  readonly client_info: Readonly<Record<string, string>>;
  readonly termination_reason: string | null;
}

export async function sessionRow(
  { database }: Pipeline,
  sessionId: string,
): Promise<SessionRow | null> {
  const { rows } = await database.query<SessionRow>(
    "select * from sessions where session_key = $1",
    [sessionId],
  );
  return rows[0] ?? null;
}

export async function count(
  { database }: Pipeline,
  from: string,
  values: readonly unknown[] = [],
): Promise<number> {
  const { rows } = await database.query<{ count: string | number }>(
    `select count(*) as count from ${from}`,
    values,
  );
  return Number(rows[0]?.count);
}

/** What Redis holds of a session. */
export async function inRedis(
  { redis }: Pick<Pipeline, "redis">,
  userId: string,
  sessionId: string,
): Promise<Found["kind"]> {
  const { found } = await redisSessions(redis, Date.now).find(
    new SessionName(TENANT, userId, sessionId),
  );
  return found.kind;
}

/** Values of a topic, decoded; a removed record is null. */
export async function values<V>(pipeline: Pipeline, topic: TopicName): Promise<(V | null)[]> {
  const codecs = await openPipelineCodecs(pipeline);
  const decoder = codecs.decoder<V>(topic);
  const records = await pipeline.reader.all(topic);
  const decoded: (V | null)[] = [];
  for (const { value } of records) {
    let outcome = value === null ? null : decoder.decode(value);
    while (outcome?.kind === "later") {
      await outcome.ready;
      outcome = decoder.decode(value as Buffer);
    }
    if (outcome !== null && outcome.kind !== "ok") throw new Error(`${topic}: ${outcome.kind}`);
    decoded.push(outcome?.value ?? null);
  }
  codecs.close();
  return decoded;
}
