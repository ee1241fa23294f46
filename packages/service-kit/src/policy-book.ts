import { messageOf } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import type { VersionedPolicy } from "@vigie/core/policy";
import { physicalName } from "@vigie/schemas/catalogue";
import type { Codecs } from "@vigie/schemas/codec-core";
import { Policies } from "@vigie/schemas/policies";
import type { SessionPolicy } from "@vigie/schemas/types";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import { openLoneReader } from "@vigie/stream/kafka/lone-reader";
import { GlobalTables } from "@vigie/stream/runtime/global-tables";
import type { Health } from "./health.ts";

/** The policies in force, for whoever asks without being a processor. */
export interface PolicyBook {
  /** False until the topic was read once: what `of` says before may not be what is in force. */
  readonly ready: boolean;
  /** The tenant's policy over the default of all over the built-in one. Costs a look into a map. */
  of(tenantId: string): VersionedPolicy;
}

export interface FollowedPolicies extends PolicyBook {
  stop(): Promise<void>;
}

export interface FollowPoliciesOptions {
  readonly client: KafkaClient;
  readonly prefix: string;
  readonly codecs: Codecs;
  readonly log: Logger;
  /** Told of as `policies`, without which a service goes on. */
  readonly health: Pick<Health, "declare" | "set">;
}

const TOPIC = "id.session.policy";
const TABLE = "policy";
const PART = "policies";
const BACKOFF_MS = 500;

/** Follows id.session.policy in the background, anew whenever that fails; meanwhile what was last known counts. */
export function followPolicies(options: FollowPoliciesOptions): FollowedPolicies {
  options.health.declare(PART, { needed: false });
  const book = new Book(options);
  const running = book.run();
  return {
    get ready() {
      return book.ready;
    },
    of: (tenantId) => book.of(tenantId),
    async stop() {
      book.stop();
      await running;
    },
  };
}

class Book {
  private readonly options: FollowPoliciesOptions;
  private readonly policies: Policies;
  private readonly stopping = Promise.withResolvers<null>();
  private tables: GlobalTables | null = null;
  private stopped = false;
  private readonly lookup = (key: string): SessionPolicy | undefined =>
    this.tables?.lookup(TABLE, key) as SessionPolicy | undefined;

  constructor(options: FollowPoliciesOptions) {
    this.options = options;
    this.policies = new Policies((tenantId, faults) =>
      options.log.warn({ tenantId, faults }, "policy_refused"),
    );
  }

  get ready(): boolean {
    return this.tables !== null;
  }

  of(tenantId: string): VersionedPolicy {
    return this.policies.of(tenantId, this.lookup);
  }

  stop(): void {
    this.stopped = true;
    this.stopping.resolve(null);
  }

  async run(): Promise<void> {
    const { log, health } = this.options;
    while (!this.stopped) {
      const why = await this.follow().catch(messageOf);
      if (why === null) continue;
      log.warn({ why }, "policies_interrupted");
      health.set(PART, false, why);
      await Promise.race([pause(BACKOFF_MS), this.stopping.promise]);
    }
  }

  /** Null when it is stopped before; then what comes late is given back. */
  private async orStopped<T>(work: Promise<T>, giveBack: (late: T) => unknown): Promise<T | null> {
    const first = await Promise.race([work, this.stopping.promise]);
    if (first === null) work.then(giveBack).catch(() => {});
    return first;
  }

  /** Returns null when it was stopped. Throws what ended it otherwise. */
  private async follow(): Promise<null> {
    const { client, prefix, codecs, log, health } = this.options;
    const reader = await this.orStopped(openLoneReader(client), (late) => late.close());
    if (reader === null) return null;
    const broken = Promise.withResolvers<never>();
    broken.promise.catch(() => {});
    try {
      const topic = physicalName(prefix, TOPIC);
      const partitions = (await reader.endOffsets(topic)).length;
      const opening = GlobalTables.open({
        backend: { reader },
        topics: new Map([[TABLE, { topic, partitions }]]),
        tables: { [TABLE]: { topic: TOPIC, decoder: codecs.decoder<SessionPolicy>(TOPIC) } },
        log,
        failed: broken.reject,
      });
      const tables = await this.orStopped(opening, (late) => late.close());
      if (tables === null) return null;
      this.tables = tables;
      health.set(PART, true);
      return await Promise.race([broken.promise, this.stopping.promise]);
    } finally {
      // What it has read stays, until the next one has read all.
      this.tables?.close();
      await reader.close();
    }
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
