import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VigError } from "@vigie/core/errors";
import { silentLogger } from "@vigie/core/log";
import { LmdbStore } from "../lmdb/lmdb-store.ts";
import type { StreamObserver } from "../observer.ts";
import type { AnyProcessor } from "../processor.ts";
import { type OpenStore, type RunningProcessor, type RuntimeOptions, startOn } from "../runtime.ts";
import { SegmentStore } from "../segments/segment-store.ts";
import { MemoryStore } from "../state/memory-store.ts";
import type { Checkpoint, StateChanges } from "../state/store.ts";
import { memoryBackend, type Step } from "./memory-backend.ts";
import type { MemoryBroker } from "./memory-broker.ts";

export const silentObserver: StreamObserver = {
  committed() {},
  lag() {},
  restoring() {},
  dependency() {},
  task() {},
};

/** Stores that outlive the process, each with one owner at a time, as LMDB's files. */
export class MemoryDisk {
  readonly stores = new Map<string, { store: MemoryStore; owner: number }>();

  opener(step: Step): OpenStore {
    return async (directory) => {
      await step("open store");
      const kept = this.stores.get(directory) ?? { store: new MemoryStore(), owner: 0 };
      kept.owner += 1;
      this.stores.set(directory, kept);
      return new DiskStore(kept, kept.owner, { directory, step });
    };
  }
}

class DiskStore extends MemoryStore {
  private readonly kept: { readonly store: MemoryStore; readonly owner: number };
  private readonly owner: number;
  private readonly about: { readonly directory: string; readonly step: Step };

  constructor(
    kept: { readonly store: MemoryStore; readonly owner: number },
    owner: number,
    about: { readonly directory: string; readonly step: Step },
  ) {
    super();
    this.kept = kept;
    this.owner = owner;
    this.about = about;
  }

  override get(key: string) {
    return this.kept.store.get(key);
  }

  override async write(changes: StateChanges, checkpoint: Checkpoint): Promise<void> {
    const { step } = this.about;
    await step("write store");
    this.requireOwner();
    this.kept.store.writeNow(changes, checkpoint);
    await step("store written");
  }

  override checkpoint() {
    return this.kept.store.checkpoint();
  }

  override due(untilMs: number, limit: number) {
    return this.kept.store.due(untilMs, limit);
  }

  override nextWakeMs() {
    return this.kept.store.nextWakeMs();
  }

  override keysFrom(prefix: string, after: string | null, limit: number) {
    return this.kept.store.keysFrom(prefix, after, limit);
  }

  override entries() {
    return this.kept.store.entries();
  }

  override async clear(): Promise<void> {
    await this.about.step("clear store");
    this.requireOwner();
    await this.kept.store.clear();
  }

  private requireOwner(): void {
    const { directory } = this.about;
    if (this.kept.owner !== this.owner) throw new VigError("VIG_STORE_LOST", { directory });
  }
}

/** Files below the state folder, their steps in the hand of fate. */
const filesDisk = (open: OpenStore) => ({
  opener(step: Step): OpenStore {
    return async (directory, wakes) => {
      await step("open store");
      const store = await open(directory, wakes);
      const write = store.write.bind(store);
      store.write = async (changes, checkpoint) => {
        await step("write store");
        await write(changes, checkpoint);
        await step("store written");
      };
      return store;
    };
  },
});

export const lmdbDisk = filesDisk((directory) => LmdbStore.open(directory));
/** Segments so small that most of them are made smaller on the way. */
export const segmentsDisk = filesDisk((directory) =>
  SegmentStore.open(directory, { segmentBytes: 2_048 }),
);

/** What becomes of the n-th I/O step: it waits, and with it every later one, until `revive`; or it fails, alone. */
export type Blow = "hang" | "fail";

/** Where a life is struck. */
export class Fate {
  readonly died: Promise<string>;
  readonly steps: string[] = [];
  private readonly deathAt: number;
  private readonly blow: Blow;
  private readonly tellDeath: (step: string) => void;
  private readonly revived: Promise<void>;
  private readonly tellRevival: () => void;

  constructor(deathAt: number, blow: Blow = "hang") {
    this.deathAt = deathAt;
    this.blow = blow;
    const death = Promise.withResolvers<string>();
    const revival = Promise.withResolvers<void>();
    this.died = death.promise;
    this.tellDeath = death.resolve;
    this.revived = revival.promise;
    this.tellRevival = revival.resolve;
  }

  readonly step: Step = async (name) => {
    const at = this.steps.push(name);
    await new Promise((resolve) => setImmediate(resolve));
    if (this.blow === "fail") {
      if (at === this.deathAt) throw new VigError("VIG_BROKER_AWAY", { why: `planted: ${name}` });
      return;
    }
    if (at === this.deathAt) this.tellDeath(name);
    if (at >= this.deathAt) await this.revived;
  };

  /** The process was only stopped, and goes on now. */
  revive(): void {
    this.tellRevival();
  }
}

export interface Life {
  readonly running: RunningProcessor;
  readonly fate: Fate;
  readonly cut: () => Promise<void>;
}

/** Starts a processor on a broker and a disk in memory, its steps in the hand of fate. */
export async function beginLife(
  world: {
    readonly broker: MemoryBroker;
    readonly disk: { opener(step: Step): OpenStore };
    readonly stateDir: string;
  },
  processor: AnyProcessor,
  fate: Fate,
  options: Partial<RuntimeOptions> & { readonly torn?: boolean } = {},
): Promise<Life> {
  const { torn = false } = options;
  // Few records a fetch make many commits.
  const backend = memoryBackend(world.broker, { step: fate.step, fetchRecords: 7, torn });
  const running = await startOn(
    backend,
    processor,
    {
      brokers: [],
      prefix: "",
      stateDir: world.stateDir,
      log: silentLogger,
      observer: silentObserver,
      createInternalTopics: true,
      commitIntervalMs: 0,
      ...options,
    },
    world.disk.opener(fate.step),
  );
  return { running, fate, cut: () => backend.close() };
}

/** A folder that is gone afterwards. */
export async function withStateDir<T>(work: (stateDir: string) => Promise<T>): Promise<T> {
  const stateDir = await mkdtemp(join(tmpdir(), "vigie-life-"));
  try {
    return await work(stateDir);
  } finally {
    await rm(stateDir, { recursive: true, force: true });
  }
}
