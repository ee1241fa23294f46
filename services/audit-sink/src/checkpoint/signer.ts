import { appendLeaves, type Frontier, rootOf } from "@vigie/audit-log/tree";
import { messageOf, type VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { behind, type Fence, forked, holdAgainst, isBroken, readHeld } from "./fence.ts";
import { type LogKeys, type SignedCheckpoint, signCheckpoint } from "./keys.ts";
import type { Place, SharedPlace } from "./place.ts";
import type { LogTree } from "./tree.ts";

export interface SignerOptions {
  readonly tree: LogTree;
  readonly keys: LogKeys;
  /** A new one for each term. */
  readonly openTopic: () => SharedPlace;
  /** Where a checkpoint is kept once the topic has it. */
  readonly places: readonly Place[];
  readonly log: Logger;
  readonly events: SignerEvents;
  readonly everyMs?: number;
}

export interface SignerEvents {
  /** A checkpoint is kept in every place; at the start of a term, the newest one again. */
  signed(checkpoint: SignedCheckpoint): void;
  /** The log itself is at fault: nothing may be appended. */
  broken(error: VigError): void;
  /** Whether this process signs now; `why` it cannot, though it should. */
  leads(on: boolean, why?: string): void;
}

export interface Signer {
  /** Whether this process is the one that should sign. */
  lead(on: boolean): void;
  /** Signs what was appended last, if that takes no longer than STOP_MAX_MS. */
  stop(): Promise<void>;
}

/** Under a quarter of the second in which an event is to be signed; source: docs/performance.md. */
const EVERY_MS = 250;
/** After a fault, doubled with each; the next term begins by reading the fence anew. */
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 2_000;
const STOP_MAX_MS = 2_000;
/** Leaf hashes of one statement: 320 KiB. */
const PAGE_LEAVES = 10_000n;

/** Signs the tree whenever it has grown, as long as this process is asked to. */
export function startSigner(options: SignerOptions): Signer {
  const terms = new Terms(options);
  const running = terms.run();
  return {
    lead: (on) => terms.lead(on),
    async stop() {
      await terms.stop();
      await running;
    },
  };
}

class Terms {
  private readonly options: SignerOptions;
  private leads = false;
  private stopped = false;
  /** Terms that failed one after the other. */
  private failures = 0;
  private topic: SharedPlace | null = null;
  private wake: () => void = () => {};
  private readonly ended = Promise.withResolvers<void>();

  constructor(options: SignerOptions) {
    this.options = options;
  }

  lead(on: boolean): void {
    this.leads = on;
    this.wake();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.wake();
    const late = setTimeout(() => void this.topic?.close(), STOP_MAX_MS);
    await this.ended.promise;
    clearTimeout(late);
  }

  async run(): Promise<void> {
    const { log, events } = this.options;
    while (!this.stopped) {
      if (!this.leads) {
        events.leads(false);
        await this.rest(null);
        continue;
      }
      try {
        await this.term();
        events.leads(false);
      } catch (error) {
        const why = messageOf(error);
        events.leads(false, why);
        if (isBroken(error)) events.broken(error);
        log.warn({ why }, "audit_signer_interrupted");
        await this.rest(Math.min(BACKOFF_FIRST_MS * 2 ** this.failures, BACKOFF_MAX_MS));
        this.failures += 1;
      }
    }
    this.ended.resolve();
  }

  /** From the claim on nobody else can publish; so what is read after it is what the next checkpoint must extend. */
  private async term(): Promise<void> {
    const { keys, tree, events, log, everyMs = EVERY_MS } = this.options;
    const topic = this.options.openTopic();
    this.topic = topic;
    const places = [topic, ...this.options.places];
    try {
      await topic.claim();
      let fence = await this.mend(places);
      log.info({ size: String(fence.checkpoint?.size ?? "none") }, "audit_signer_leads");
      events.leads(true);
      this.failures = 0;
      if (fence.checkpoint !== null) events.signed(fence.checkpoint);
      for (;;) {
        const beganMs = performance.now();
        const next = await grow(tree, fence);
        if (next !== null) {
          const checkpoint = signCheckpoint(keys, { size: next.size, root: rootOf(next) });
          // Once the topic has it nobody can sign otherwise; the others may keep it in any order.
          await topic.keep(checkpoint);
          await all(this.options.places.map((place) => place.keep(checkpoint)));
          fence = { checkpoint, frontier: next };
          events.signed(checkpoint);
        }
        if (this.stopped || !this.leads) return;
        await this.rest(Math.max(0, everyMs - (performance.now() - beganMs)));
      }
    } finally {
      this.topic = null;
      await topic.close();
    }
  }

  /** What was kept in some places only, as by a process that died between two of them, is kept in all. */
  private async mend(places: readonly Place[]): Promise<Fence> {
    const { keys, tree, log } = this.options;
    const held = await readHeld(places, keys);
    const fence = await holdAgainst(tree, held);
    const { checkpoint } = fence;
    for (const [i, place] of places.entries()) {
      const has = held[i]?.checkpoint?.size;
      if (checkpoint === null || has === checkpoint.size) continue;
      const facts = { where: place.name, has: String(has ?? "none"), newest: `${checkpoint.size}` };
      log.warn(facts, "audit_checkpoint_mended");
      await place.keep(checkpoint);
    }
    return fence;
  }

  /** Until woken, or for so many ms. */
  private async rest(ms: number | null): Promise<void> {
    if (this.stopped) return;
    await new Promise<void>((resolve) => {
      const timer = ms === null ? null : setTimeout(resolve, ms);
      this.wake = () => {
        if (timer !== null) clearTimeout(timer);
        resolve();
      };
    });
  }
}

/**
 * The tree as it is now, reckoned from what was signed and the leaves behind it: whatever the database says of its own
 * head, only a tree that extends the signed one is signed. Null: nothing is new.
 * Throws: VIG_AUDIT_TREE_BEHIND, VIG_AUDIT_FORKED; what is away.
 */
export async function grow(tree: LogTree, fence: Fence): Promise<Frontier | null> {
  const { checkpoint } = fence;
  const head = await tree.head();
  if (checkpoint !== null && head.size < checkpoint.size) {
    throw behind(head.size, checkpoint, "signer");
  }
  let { frontier } = fence;
  while (frontier.size < head.size) {
    const to = min(frontier.size + PAGE_LEAVES, head.size);
    const hashes = await tree.leafHashes(frontier.size, to);
    if (BigInt(hashes.length) !== to - frontier.size) throw forked(frontier.size, "leaves");
    frontier = appendLeaves(frontier, hashes).frontier;
  }
  if (!rootOf(frontier).equals(head.root)) throw forked(head.size, "head");
  return checkpoint?.size === head.size ? null : frontier;
}

/** Waits for all, also when one fails: what is still under way must not overtake the next term. */
async function all(works: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(works)).find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}

const min = (one: bigint, other: bigint): bigint => (one < other ? one : other);
