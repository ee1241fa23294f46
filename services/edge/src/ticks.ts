import { TICK_INTERVAL_MS, tickKeys } from "@vigie/core/outages";
import type { Clock } from "@vigie/core/time";
import { topics } from "@vigie/schemas/catalogue";
import type { Codecs } from "@vigie/schemas/codec-core";
import type { SessionTick } from "@vigie/schemas/types";
import type { Job } from "@vigie/service-kit/jobs";
import type { EventOutput } from "@vigie/service-kit/output/event-output";
import { TICK_TOPIC } from "@vigie/service-kit/sessions/follow-ticks";

export interface TickOptions {
  readonly output: Pick<EventOutput, "publish">;
  readonly codecs: Codecs;
  /** Which edge. */
  readonly writer: string;
  readonly clock: Clock;
  /** Whether schemas are known: without them this edge takes no events either. */
  isReady(): boolean;
}

/**
 * Tells every partition that this edge and the broker are there. Where no edge told so for a while, nobody could be
 * heard, and nobody's silence counts.
 */
export function tickJob({ output, codecs, writer, clock, isReady }: TickOptions): Job {
  const encoder = codecs.encoder<SessionTick>(TICK_TOPIC);
  const keys = tickKeys(topics[TICK_TOPIC].partitions);
  return {
    name: "ticks",
    everyMs: TICK_INTERVAL_MS,
    async run() {
      if (!isReady()) return;
      const value = encoder.encode({ writer, ticked_at: clock() });
      await Promise.all(keys.map((key) => output.publish({ topic: TICK_TOPIC, key, value })));
    },
  };
}
