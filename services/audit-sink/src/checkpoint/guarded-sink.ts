import type { Sink } from "@vigie/stream/kafka/sink";
import type { TopicPartition } from "@vigie/stream/kafka/types";
import type { Gate } from "./gate.ts";
import type { Appended } from "./meters.ts";

export interface GuardParts {
  readonly sink: Sink;
  readonly gate: Pick<Gate, "check">;
  /** Whether this member is the one that should sign. */
  readonly lead: (on: boolean) => void;
  /** Before the first append to a log that was never signed. */
  readonly begin: () => Promise<void>;
  /** The tree's size after the last write; null: it appended nothing. Forgets it. */
  readonly takeSize: () => bigint | null;
  readonly appended: (appended: Appended) => void;
}

/** The member that has this partition signs: a group has one owner of it, or for a moment two, whom the broker fences. */
const SIGNERS = { topic: "id.audit", partition: 0 } as const;

const isSigners = ({ topic, partition }: TopicPartition): boolean =>
  topic === SIGNERS.topic && partition === SIGNERS.partition;

/** A sink that takes nothing for a log at fault, and whose owner of partition 0 signs it. */
export function guardedSink(parts: GuardParts): Sink {
  const { sink, gate, lead, begin, takeSize, appended } = parts;
  let suspect = false;
  return {
    async assigned(partitions) {
      const { checkpoint } = await gate.check();
      if (checkpoint === null) await begin();
      const stored = await sink.assigned(partitions);
      if (partitions.some(isSigners)) lead(true);
      return stored;
    },
    async write(batch, next) {
      // A throw in place of the rewind would lose it, so what comes after the rewind is held up.
      if (suspect) await gate.check();
      takeSize();
      const said = await sink.write(batch, next);
      // The database holds less than it was given: an older copy of it, perhaps.
      suspect = said !== undefined;
      const size = takeSize();
      const oldestAtMs = Math.min(...batch.map(({ timestampMs }) => timestampMs));
      if (size !== null && batch.length > 0) appended({ size, oldestAtMs });
      return said;
    },
    lost(partitions) {
      if (partitions.some(isSigners)) lead(false);
      sink.lost?.(partitions);
    },
  };
}
