import { allowedLength } from "@vigie/core/geohash";
import { USER_KEY_MAX_LENGTH, userKey } from "@vigie/core/keys";
import type { Logger } from "@vigie/core/log";
import { dlq, type Outcome, ok } from "@vigie/core/outcome";
import { SECOND_MS } from "@vigie/core/time";
import { checkEvent } from "@vigie/schemas/admit";
import { physicalName } from "@vigie/schemas/catalogue";
import type { Codecs, Decoder } from "@vigie/schemas/codec-core";
import type { GeoPrefs } from "@vigie/schemas/types";
import { type KeptFollowing, keepFollowing } from "@vigie/service-kit/keep-following";
import type { Metrics } from "@vigie/service-kit/metrics";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import type { FollowTarget, LoneReader } from "@vigie/stream/kafka/lone-reader";
import type { FetchedRecord } from "@vigie/stream/kafka/types";
import { ConsentBook, type Consents, SILENCE_MAX_MS } from "./consents.ts";
import { LENGTH_DEFAULT, Precisions } from "./precisions.ts";

export interface FollowConsentsOptions {
  readonly client: KafkaClient;
  readonly prefix: string;
  readonly codecs: Codecs;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly silenceMaxMs?: number;
  /** Told when what is known counts, and why it does not: not read yet, or nothing heard for too long. */
  onState(up: boolean, why?: string): void;
}

export interface FollowedConsents extends Consents, KeptFollowing {}

const TOPIC = "id.geo.prefs";
const FIELDS = ["tenant_id", "user_id", "gps_opt_in", "precision"] as const;
type Consent = Pick<GeoPrefs, (typeof FIELDS)[number]>;
/** How often it is looked whether all is heard still: little beside the silence that is borne. */
const LOOK_MS = SECOND_MS;

/** Reads what people consent to whole, in the background, and follows it; anew whenever that breaks off. */
export function followConsents(options: FollowConsentsOptions): FollowedConsents {
  const { client, prefix, codecs, onState, silenceMaxMs = SILENCE_MAX_MS } = options;
  const topic = physicalName(prefix, TOPIC);
  const decoder = codecs.decoder<Consent>(TOPIC, { fields: FIELDS });
  const book = new ConsentBook(undefined, silenceMaxMs);
  const refuse = refusals(options);
  let wasCurrent = false;
  const tell = (why: string): void => {
    const { isCurrent } = book;
    if (isCurrent && !wasCurrent) onState(true);
    if (!isCurrent) onState(false, why);
    wasCurrent = isCurrent;
  };
  const looking = setInterval(() => {
    if (book.isRead) tell(`nothing was heard of ${TOPIC} for ${silenceMaxMs / SECOND_MS} s`);
  }, LOOK_MS).unref();
  const following = keepFollowing({
    client,
    async begin(reader, broken) {
      // Beside what is known: an older consent that is read again must not count meanwhile.
      const taking = new Taking(decoder, refuse);
      const targets = await readWhole(reader, topic, taking);
      book.replace(taking.precisions, targets.length);
      tell("");
      return reader.follow(targets, {
        records: (records, _, { partition }) => taking.take(records, () => book.heard(partition)),
        failed: broken,
      });
    },
    interrupted(why) {
      options.log.warn({ why }, "consents_interrupted");
      tell(why);
    },
  });
  return {
    lengthOf: (key) => book.lengthOf(key),
    stop() {
      clearInterval(looking);
      return following.stop();
    },
  };
}

type Refuse = (record: FetchedRecord, code: string) => void;

/** What cannot count is logged by its place, and counted. */
function refusals({ log, metrics }: FollowConsentsOptions): Refuse {
  const name = "vigie_consents_unreadable_total";
  const refused = metrics.counter(name, "Records of consent that were passed over", ["code"]);
  return ({ topic, partition, offset }, code) => {
    refused.inc({ code });
    log.error({ topic, partition, offset, code }, "consent_unreadable");
  };
}

/** Returns: where to go on. */
async function readWhole(
  reader: LoneReader,
  topic: string,
  taking: Taking,
): Promise<readonly FollowTarget[]> {
  const low = await reader.lowOffsets(topic);
  const reached = await Promise.all(
    low.map((from, partition) =>
      reader.read({ topic, partition, from, to: "end" }, (records) => taking.take(records)),
    ),
  );
  await taking.done;
  return reached.map((from, partition) => ({ topic, partition, from }));
}

/** Takes records in order, also when one waits for its schema. */
class Taking {
  readonly precisions = new Precisions();
  done: Promise<void> = Promise.resolve();
  private readonly decoder: Decoder<Consent>;
  private readonly refuse: Refuse;

  constructor(decoder: Decoder<Consent>, refuse: Refuse) {
    this.decoder = decoder;
    this.refuse = refuse;
  }

  /** `taken`: told when these are, and all before. */
  take(records: readonly FetchedRecord[], taken?: () => void): void {
    this.done = this.done.then(async () => {
      for (const record of records) {
        const later = this.takeOne(record);
        if (later !== null) await later;
      }
      taken?.();
    });
  }

  /** Null: taken, or unusable; then what was known counts. */
  private takeOne(record: FetchedRecord): Promise<void> | null {
    const key = String(record.key);
    // Of a longer one the hash of names would keep a number for each character.
    if (key.length > USER_KEY_MAX_LENGTH) {
      this.refuse(record, "VIG_RECORD_KEY_MISMATCH");
      return null;
    }
    if (record.value === null) {
      this.precisions.set(key, LENGTH_DEFAULT);
      return null;
    }
    const decoded = this.decoder.decode(record.value);
    if (decoded.kind === "later") {
      return decoded.ready.then(() => this.takeOne(record) ?? undefined);
    }
    const admitted = decoded.kind === "ok" ? admit(decoded.value, key) : decoded;
    if (admitted.kind !== "ok") {
      this.refuse(record, admitted.kind === "dlq" ? admitted.code : admitted.reason);
      return null;
    }
    const { gps_opt_in, precision } = admitted.value;
    this.precisions.set(key, allowedLength(gps_opt_in, precision));
    return null;
  }
}

/** A consent is its own person's only, as the detector has it. */
function admit(value: Consent, key: string): Outcome<Consent> {
  const [fault] = checkEvent(TOPIC, value);
  if (fault !== undefined) return dlq("VIG_EVENT_FIELD_INVALID", { ...fault });
  return userKey(value.tenant_id, value.user_id) === key
    ? ok(value)
    : dlq("VIG_RECORD_KEY_MISMATCH");
}
