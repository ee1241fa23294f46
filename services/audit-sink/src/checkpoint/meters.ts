import type { Clock } from "@vigie/core/time";
import type { Metrics } from "@vigie/service-kit/metrics";
import type { SignedCheckpoint } from "./keys.ts";

/** A write to the log: the tree's size after it, and the broker's time of its oldest record. */
export interface Appended {
  readonly size: bigint;
  readonly oldestAtMs: number;
}

export interface CheckpointMeters {
  /** This process has appended, and committed. */
  appended(appended: Appended): void;
  /** A checkpoint is published, whoever signed it. */
  published(checkpoint: SignedCheckpoint): void;
  leads(on: boolean): void;
  cosigned(witness: string, size: bigint | null): void;
  /** To be called now and then. */
  tick(): void;
}

/** Writes whose checkpoint has not come yet; past it the oldest are no longer timed. 10,000 are minutes of them. */
const WAITING_MAX = 10_000;

/** What checkpoints tell of themselves. Ages go by our clock, and where they begin at a record, by the broker's. */
export function checkpointMeters(metrics: Metrics, clock: Clock): CheckpointMeters {
  const meters = {
    size: metrics.gauge("vigie_audit_checkpoint_size", "Leaves that are signed", [], "max"),
    age: metrics.gauge("vigie_audit_checkpoint_age_seconds", "Since the newest checkpoint"),
    unsigned: metrics.gauge(
      "vigie_audit_unsigned_seconds",
      "Age of the oldest record appended here and not signed yet; 0: all are",
    ),
    seconds: metrics.histogram(
      "vigie_audit_checkpoint_seconds",
      "From the oldest record of a write to a published checkpoint with it",
    ),
    leads: metrics.gauge("vigie_audit_signs", "1 where checkpoints are signed"),
    cosignatures: metrics.counter("vigie_audit_cosignatures_total", "Witnesses asked, by outcome", [
      "witness",
      "outcome",
    ]),
    cosigned: metrics.gauge(
      "vigie_audit_cosigned_size",
      "Leaves of the newest checkpoint that a witness cosigned",
      ["witness"],
      "max",
    ),
  };
  let waiting: Appended[] = [];
  let publishedAtMs: number | null = null;
  let publishedSize = -1n;

  function tick(): void {
    const nowMs = clock();
    const oldestAtMs = waiting[0]?.oldestAtMs ?? nowMs;
    meters.unsigned.set(Math.max(0, nowMs - oldestAtMs) / 1_000);
    if (publishedAtMs !== null) meters.age.set((nowMs - publishedAtMs) / 1_000);
  }

  return {
    tick,
    appended(write) {
      // Its checkpoint may be faster than what tells of the commit.
      if (write.size <= publishedSize) observe(write, publishedAtMs ?? clock());
      else waiting.push(write);
      if (waiting.length > WAITING_MAX) waiting = waiting.slice(-WAITING_MAX / 2);
    },
    published({ size }) {
      publishedAtMs = clock();
      publishedSize = size;
      meters.size.set(Number(size));
      for (const write of waiting) if (write.size <= size) observe(write, publishedAtMs);
      waiting = waiting.filter((write) => write.size > size);
      tick();
    },
    leads: (on) => meters.leads.set(on ? 1 : 0),
    cosigned(witness, size) {
      meters.cosignatures.inc({ witness, outcome: size === null ? "failed" : "cosigned" });
      if (size !== null) meters.cosigned.set({ witness }, Number(size));
    },
  };

  function observe({ oldestAtMs }: Appended, atMs: number): void {
    meters.seconds.observe(Math.max(0, atMs - oldestAtMs) / 1_000);
  }
}
