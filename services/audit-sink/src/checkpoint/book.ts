import { messageOf } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import { openLoneReader } from "@vigie/stream/kafka/lone-reader";
import { openSigned, type SignedCheckpoint, type TrustedKeys } from "./keys.ts";
import type { Place } from "./place.ts";
import { CHECKPOINT_TOPIC, isOf, lastNote, readTail } from "./topic-place.ts";

export interface BookOptions {
  readonly client: KafkaClient;
  readonly prefix: string;
  readonly keys: TrustedKeys;
  readonly log: Logger;
  /** Told of each newer checkpoint that verifies. */
  readonly onCheckpoint: (checkpoint: SignedCheckpoint) => void;
  /** Told each time that following ends; it begins again by itself. */
  readonly onAway?: (why: string) => void;
}

/** The topic as whoever appends reads it: followed, so that asking costs nothing. */
export interface CheckpointBook extends Pick<Place, "name" | "newest"> {
  stop(): Promise<void>;
}

const BACKOFF_MS = 500;

/** Follows id.audit.checkpoint in the background, anew whenever that fails. `newest` waits until it was read once. */
export function followCheckpoints(options: BookOptions): CheckpointBook {
  const book = new Book(options);
  const running = book.run();
  return {
    name: "topic",
    newest: () => book.newest(),
    async stop() {
      book.stop();
      await running;
    },
  };
}

class Book {
  private readonly options: BookOptions;
  private readonly read = Promise.withResolvers<void>();
  private readonly stopping = Promise.withResolvers<void>();
  private note: string | null = null;
  private stopped = false;

  constructor(options: BookOptions) {
    this.options = options;
  }

  async newest(): Promise<string | null> {
    await this.read.promise;
    return this.note;
  }

  stop(): void {
    this.stopped = true;
    this.stopping.resolve();
    this.read.resolve();
  }

  async run(): Promise<void> {
    const { log, onAway } = this.options;
    while (!this.stopped) {
      try {
        await this.follow();
      } catch (error) {
        const why = messageOf(error);
        log.warn({ why }, "audit_checkpoints_interrupted");
        onAway?.(why);
        await Promise.race([pause(BACKOFF_MS), this.stopping.promise]);
      }
    }
  }

  /** Returns when it is stopped. Throws what ended it otherwise. */
  private async follow(): Promise<void> {
    const { client, prefix, keys } = this.options;
    const topic = prefix + CHECKPOINT_TOPIC;
    const reader = await openLoneReader(client);
    const broken = Promise.withResolvers<never>();
    broken.promise.catch(() => {});
    try {
      const { note, end } = await readTail(reader, topic, (record) => isOf(record, keys.origin));
      this.take(note);
      this.read.resolve();
      const following = await reader.follow([{ topic, partition: 0, from: end }], {
        records: (records) => this.take(lastNote(records, keys.origin)),
        failed: broken.reject,
      });
      try {
        await Promise.race([broken.promise, this.stopping.promise]);
      } finally {
        following.stop();
      }
    } finally {
      await reader.close();
    }
  }

  private take(note: string | null): void {
    if (note === null || note === this.note) return;
    this.note = note;
    const { keys, log, onCheckpoint } = this.options;
    try {
      onCheckpoint(openSigned(note, keys));
    } catch (error) {
      // The gate closes over it: it asks for this note.
      log.error({ why: messageOf(error) }, "audit_checkpoint_untrusted");
    }
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
