import { messageOf } from "@vigie/core/errors";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import { type Following, type LoneReader, openLoneReader } from "@vigie/stream/kafka/lone-reader";

export interface KeepFollowing {
  readonly client: KafkaClient;
  /** Begins; from then on `broken` ends it. */
  begin(reader: LoneReader, broken: (error: Error) => void): Promise<Following>;
  /** Told when it did not begin, or broke off; it begins anew. */
  interrupted(why: string): void;
}

export interface KeptFollowing {
  stop(): Promise<void>;
}

const RETRY_MS = 500;
/** Nothing is lost with a connection that is not closed: a broker that is away is not waited for. */
const STOP_MAX_MS = 1_000;

/** Follows topics with a reader of its own, in no group and committing nothing, again after every fault. */
export function keepFollowing({ client, begin, interrupted }: KeepFollowing): KeptFollowing {
  const stopped = Promise.withResolvers<void>();
  let isStopped = false;

  /** Until it is stopped or something breaks. */
  async function once(): Promise<void> {
    const broken = Promise.withResolvers<never>();
    broken.promise.catch(() => undefined);
    const reader = await openLoneReader(client);
    try {
      const following = await begin(reader, broken.reject);
      try {
        await Promise.race([stopped.promise, broken.promise]);
      } finally {
        following.stop();
      }
    } finally {
      await reader.close();
    }
  }

  async function run(): Promise<void> {
    while (!isStopped) {
      try {
        await once();
      } catch (error) {
        interrupted(messageOf(error));
      }
      if (!isStopped) await Promise.race([after(RETRY_MS), stopped.promise]);
    }
  }

  const running = run();
  return {
    async stop() {
      isStopped = true;
      stopped.resolve();
      await Promise.race([running, after(STOP_MAX_MS)]);
    },
  };
}

const after = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
