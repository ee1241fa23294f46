import type { SessionName } from "@vigie/core/keys";
import { type Clock, SECOND_MS } from "@vigie/core/time";
import { PARTITIONS_DEFAULT } from "@vigie/schemas/catalogue";
import type { RedisStore } from "../redis/redis.ts";
import { layoutOf, offsetField } from "./layout.ts";
import type { SessionStore, StoreAnswer } from "./session-store.ts";
import { foundIn } from "./session-text.ts";
import { StoreProgress } from "./store-progress.ts";

/** Filled within milliseconds; one that lags more than this is not believed. */
const LAG_MAX_MS = 2 * SECOND_MS;

/** Questions that go to Redis at once; its answer to so many takes it a millisecond or two. */
const BATCH_MAX = 256;

/**
 * KEYS: progress, sessions. ARGV: the fields of progress. One script, for both are of one moment of one server then;
 * the driver's pipeline of two commands costs 17 us more and keeps its objects until the next full collection.
 */
const READ = `
  return { redis.call('HMGET', KEYS[1], unpack(ARGV)), redis.call('MGET', unpack(KEYS, 2)) }`;

interface Question {
  readonly name: SessionName;
  readonly answered: (answer: StoreAnswer) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Sessions as the session cache keeps them in Redis; one round trip a question. Questions of requests that came in
 * together go together, which halves what one costs under load and delays none that is alone.
 */
export function redisSessions(
  redis: RedisStore,
  clock: Clock,
  partitions = PARTITIONS_DEFAULT,
): SessionStore {
  const layout = layoutOf(redis.key);
  const offsetFields = Array.from({ length: partitions }, (_, partition) => offsetField(partition));
  const progress = new StoreProgress(clock);
  const read = redis.readScript(READ);
  let waiting: Question[] = [];

  function flush(): void {
    const questions = waiting;
    waiting = [];
    if (questions.length === 0) return;
    ask(questions).catch((error: unknown) => {
      for (const { failed } of questions) failed(error);
    });
  }

  async function ask(questions: readonly Question[]): Promise<void> {
    const keys = questions.map(({ name }) => layout.session(name.key));
    const answer = await read([layout.progress, ...keys], offsetFields);
    const [applied, texts] = answer as [(string | null)[], (string | null)[]];
    const offsets = applied.map((offset, partition) => progress.told(partition, Number(offset)));
    for (const [at, { name, answered }] of questions.entries()) {
      const partition = name.partition(partitions);
      const found = foundIn(texts[at] ?? null, name);
      answered({ found, partition, appliedOffset: offsets[partition] ?? 0 });
    }
  }

  return {
    lagMaxMs: LAG_MAX_MS,
    find: (name) =>
      new Promise((answered, failed) => {
        waiting.push({ name, answered, failed });
        // After whatever else came in on this turn of the event loop.
        if (waiting.length === 1) setImmediate(flush);
        else if (waiting.length === BATCH_MAX) flush();
      }),
  };
}
