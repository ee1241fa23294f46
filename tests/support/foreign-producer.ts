import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** A handle on the producer of another team, see foreign-producer-process.ts. */
export interface ForeignProducer {
  /** The registry's id of the newest schema of a topic's values. */
  schemaId(topic: string): Promise<number>;
  /** Resolves when all replicas have them. Topics without prefix. */
  send(topic: string, records: readonly ForeignRecord[]): Promise<void>;
  close(): Promise<void>;
}

export interface ForeignRecord {
  readonly key: string | Buffer | null;
  readonly value: Buffer | null;
  /** Default: that of the key. */
  readonly partition?: number;
}

interface Answer {
  readonly id: number;
  readonly error: string | null;
}

export async function openForeignProducer(options: {
  readonly kafka: string;
  readonly registry: string;
  readonly prefix: string;
}): Promise<ForeignProducer> {
  const { kafka, registry, prefix } = options;
  const child = fork(join(import.meta.dirname, "foreign-producer-process.ts"), [kafka], {
    stdio: ["ignore", "ignore", "ignore", "ipc"],
    execArgv: [],
  });
  const exited = once(child, "exit");
  const waiting = new Map<number, (answer: Answer) => void>();
  const answerOf = (id: number): Promise<Answer> =>
    new Promise((resolve) => {
      waiting.set(id, resolve);
    });
  child.on("message", (answer: Answer) => {
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  child.once("exit", () => {
    for (const [id, resolve] of waiting) resolve({ id, error: "the producer has ended" });
  });
  check(await answerOf(0));
  const ids = new Map<string, number>();
  let orders = 0;
  return {
    async schemaId(topic) {
      const known = ids.get(topic);
      if (known !== undefined) return known;
      const response = await fetch(`${registry}/subjects/${prefix}${topic}-value/versions/latest`);
      const { id } = (await response.json()) as { id: number };
      ids.set(topic, id);
      return id;
    },
    async send(topic, records) {
      orders += 1;
      const answered = answerOf(orders);
      child.send({ id: orders, topic: prefix + topic, records: records.map(asText) });
      check(await answered);
    },
    async close() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}

function check({ error }: Answer): void {
  if (error !== null) throw new Error(error);
}

const asText = ({ key, value, partition }: ForeignRecord) => ({
  key: key === null ? null : Buffer.from(key).toString("base64"),
  value: value?.toString("base64") ?? null,
  partition: partition ?? null,
});
