import { VigError } from "@vigie/core/errors";
import { partitionOf } from "@vigie/core/keys";
import type { Clock } from "@vigie/core/time";
import type { EventOutput, OutgoingEvent, Receipt } from "./event-output.ts";

export interface MemoryOutput extends EventOutput {
  /** Everything acknowledged, in order. */
  readonly produced: readonly (OutgoingEvent & Receipt)[];
  /** While false, events wait in the buffer, as when the broker does not answer. */
  answer(yes: boolean): void;
  /** What waits fails, as when the broker did not answer in time. */
  giveUp(): void;
  readonly bufferedBytes: number;
  /** Empties `produced`; offsets go on. */
  forget(): void;
}

export interface MemoryOutputOptions {
  readonly prefix?: string;
  readonly partitions?: number;
  readonly bufferBytesMax?: number;
  /** The broker's clock. Default: the wall clock. */
  readonly clock?: Clock;
}

interface Waiting {
  readonly event: OutgoingEvent;
  resolve(receipt: Receipt): void;
  reject(error: Error): void;
}

/** The output without a broker: same partitions, same promises. */
export function memoryOutput(options: MemoryOutputOptions = {}): MemoryOutput {
  const { prefix = "", partitions = 6, bufferBytesMax = 1_048_576, clock = Date.now } = options;
  const ends = new Map<string, number>();
  const produced: (OutgoingEvent & Receipt)[] = [];
  let waiting: Waiting[] = [];
  let bufferedBytes = 0;
  let answers = true;
  let closed = false;

  const acknowledge = (event: OutgoingEvent): Receipt => {
    const partition = partitionOf(event.key, partitions);
    const place = `${event.topic}/${partition}`;
    const offset = ends.get(place) ?? 0;
    ends.set(place, offset + 1);
    const receipt = { topic: prefix + event.topic, partition, offset, appendedAtMs: clock() };
    produced.push({ ...event, ...receipt });
    return receipt;
  };
  const drain = (settle: (held: Waiting) => void): void => {
    const held = waiting;
    waiting = [];
    bufferedBytes = 0;
    for (const one of held) settle(one);
  };
  return {
    produced,
    get bufferedBytes() {
      return bufferedBytes;
    },
    forget() {
      produced.length = 0;
    },
    answer(yes) {
      answers = yes;
      if (yes) drain(({ event, resolve }) => resolve(acknowledge(event)));
    },
    giveUp() {
      drain(({ reject }) => reject(new VigError("VIG_BROKER_AWAY", { why: "no answer in time" })));
    },
    async publish(event) {
      if (closed) throw new VigError("VIG_BROKER_AWAY", { why: "the output is closed" });
      if (answers) return acknowledge(event);
      if (bufferedBytes + event.value.length > bufferBytesMax)
        throw new VigError("VIG_BUFFER_FULL");
      bufferedBytes += event.value.length;
      return new Promise((resolve, reject) => {
        waiting.push({ event, resolve, reject });
      });
    },
    async close() {
      closed = true;
      drain(({ event, resolve }) => resolve(acknowledge(event)));
    },
  };
}
