import { allowedLength } from "@vigie/core/geohash";
import type { Logger } from "@vigie/core/log";
import { checkEvent } from "@vigie/schemas/admit";
import { physicalName } from "@vigie/schemas/catalogue";
import type { Codecs, Decoder } from "@vigie/schemas/codec-core";
import type { GeoPrefs } from "@vigie/schemas/types";
import { type KeptFollowing, keepFollowing } from "@vigie/service-kit/keep-following";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import type { Following, LoneReader } from "@vigie/stream/kafka/lone-reader";
import type { FetchedRecord } from "@vigie/stream/kafka/types";
import { ConsentBook, type Consents } from "./consents.ts";
import { LENGTH_DEFAULT, Precisions } from "./precisions.ts";

export interface FollowConsentsOptions {
  readonly client: KafkaClient;
  readonly prefix: string;
  readonly codecs: Codecs;
  readonly log: Logger;
  /** Told when all was read, and why it was not; afterwards what was last known counts. */
  onState(up: boolean, why?: string): void;
}

export interface FollowedConsents extends Consents, KeptFollowing {}

const TOPIC = "id.geo.prefs";
const FIELDS = ["gps_opt_in", "precision"] as const;
type Consent = Pick<GeoPrefs, (typeof FIELDS)[number]>;

/** Reads what people consent to whole, in the background, and follows it; anew whenever that breaks off. */
export function followConsents(options: FollowConsentsOptions): FollowedConsents {
  const { client, prefix, codecs, log, onState } = options;
  const topic = physicalName(prefix, TOPIC);
  const decoder = codecs.decoder<Consent>(TOPIC, { fields: FIELDS });
  const book = new ConsentBook();
  const following = keepFollowing({
    client,
    async begin(reader, broken) {
      // Beside what is known: an older consent that is read again must not count meanwhile.
      const taking = new Taking(decoder, log);
      const begun = await readAndFollow(reader, { topic, taking, broken });
      book.replace(taking.precisions);
      onState(true);
      return begun;
    },
    interrupted(why) {
      log.warn({ why }, "consents_interrupted");
      if (!book.isRead) onState(false, why);
    },
  });
  return { lengthOf: (key) => book.lengthOf(key), stop: () => following.stop() };
}

interface Reading {
  readonly topic: string;
  readonly taking: Taking;
  readonly broken: (error: Error) => void;
}

async function readAndFollow(
  reader: LoneReader,
  { topic, taking, broken }: Reading,
): Promise<Following> {
  const low = await reader.lowOffsets(topic);
  const reached = await Promise.all(
    low.map((from, partition) =>
      reader.read({ topic, partition, from, to: "end" }, (records) => taking.take(records)),
    ),
  );
  await taking.done;
  const targets = reached.map((from, partition) => ({ topic, partition, from }));
  return reader.follow(targets, { records: (records) => taking.take(records), failed: broken });
}

/** Takes records in order, also when one waits for its schema. */
class Taking {
  readonly precisions = new Precisions();
  done: Promise<void> = Promise.resolve();
  private readonly decoder: Decoder<Consent>;
  private readonly log: Logger;

  constructor(decoder: Decoder<Consent>, log: Logger) {
    this.decoder = decoder;
    this.log = log;
  }

  take(records: readonly FetchedRecord[]): void {
    if (records.length === 0) return;
    this.done = this.done.then(async () => {
      for (const record of records) {
        const later = this.takeOne(record);
        if (later !== null) await later;
      }
    });
  }

  /** Null: taken, or unusable; then what was known counts. */
  private takeOne(record: FetchedRecord): Promise<void> | null {
    const { topic, partition, offset, key, value } = record;
    if (value === null) {
      this.precisions.set(String(key), LENGTH_DEFAULT);
      return null;
    }
    const decoded = this.decoder.decode(value);
    if (decoded.kind === "later") {
      return decoded.ready.then(() => this.takeOne(record) ?? undefined);
    }
    if (decoded.kind !== "ok" || checkEvent(TOPIC, decoded.value).length > 0) {
      this.log.error({ topic, partition, offset }, "consent_unreadable");
      return null;
    }
    const { gps_opt_in, precision } = decoded.value;
    this.precisions.set(String(key), allowedLength(gps_opt_in, precision));
    return null;
  }
}
