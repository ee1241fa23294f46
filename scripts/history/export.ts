import { mkdirSync } from "node:fs";
import { userKey } from "@vigie/core/keys";
import type { Logger } from "@vigie/core/log";
import { createDetector } from "@vigie/detector/app";
import { CONSENT_TOPIC } from "@vigie/detector/consent";
import type { Enrichment, RawEvent } from "@vigie/detector/enrich/event";
import { isEventTopic } from "@vigie/detector/enrich/event-topics";
import { physicalName } from "@vigie/schemas/catalogue";
import type { Codecs } from "@vigie/schemas/codec-core";
import type { GeoPrefs } from "@vigie/schemas/types";
import type { Keys } from "@vigie/service-kit/kms/keys";
import type { LoneReader } from "@vigie/stream/kafka/lone-reader";
import type { Input } from "@vigie/stream/processor";
import { ConsentTimes } from "./consent-times.ts";
import { Facts, readAll } from "./facts.ts";
import { EventFile, type HeadOf } from "./history-file.ts";
import { minimise } from "./minimise.ts";
import { readPartition } from "./partition-reader.ts";
import { type Pseudonyms, pseudonymsOf } from "./pseudonyms.ts";

export interface ExportOptions {
  readonly reader: LoneReader;
  /** Null: there is no such topic. */
  readonly partitionsOf: (topic: string) => Promise<number | null>;
  readonly codecs: Codecs;
  readonly prefix: string;
  readonly enrichment: Enrichment;
  readonly keys: Keys;
  readonly log: Logger;
  readonly directory: string;
  /** Null: all. */
  readonly tenant: string | null;
  readonly fromMs: number;
  readonly toMs: number;
  readonly maxEventAgeMs: number;
  readonly maxAheadMs: number;
}

export interface Exported {
  events: number;
  /** Records that no task would have taken: malformed, misplaced, of an unknown kind. */
  leftOut: number;
  /** Of people who were erased since. */
  erased: number;
  files: number;
}

/**
 * Writes what the input topics hold of the given time, and what is known of alarms, labels, erasures and policies, to
 * files of one tenant and partition each. A file of the same tenant and time is replaced.
 * Throws: VIG_BROKER_AWAY, VIG_OFFSET_OUT_OF_RANGE, VIG_KEY_UNKNOWN; then no half file has a name.
 */
export async function exportHistory(options: ExportOptions): Promise<Exported> {
  mkdirSync(options.directory, { recursive: true, mode: 0o700 });
  const tenants = new Tenants(options);
  const facts = new Facts(options, (tenant) => tenants.head(tenant, 0));
  const done: Exported = { events: 0, leftOut: 0, erased: 0, files: 0 };
  try {
    await facts.read((tenant) => tenants.pseudonyms(tenant));
    const consents = await readConsents(options);
    const { inputs, partitions } = await inputsOf(options);
    for (let partition = 0; partition < partitions; partition++) {
      const job = { ...options, consents, inputs, partition, partitions };
      await exportPartition(job, tenants, facts, done);
    }
  } catch (error) {
    facts.abandon();
    throw error;
  }
  done.files += facts.finish(tenants.named);
  return done;
}

/** All that their topic has, whatever the time that is exported. */
async function readConsents(options: ExportOptions): Promise<ConsentTimes> {
  const consents = new ConsentTimes();
  await readAll<GeoPrefs>(
    options,
    CONSENT_TOPIC,
    (prefs, timestampMs) =>
      consents.take(userKey(prefs.tenant_id, prefs.user_id), prefs, timestampMs),
    (key, timestampMs) => consents.take(key, null, timestampMs),
  );
  return consents;
}

class Tenants {
  private readonly options: ExportOptions;
  private readonly known = new Map<string, Pseudonyms>();

  constructor(options: ExportOptions) {
    this.options = options;
  }

  /** All of whom anything came up. */
  get named(): readonly string[] {
    const { tenant } = this.options;
    return [...this.known.keys()].filter((name) => tenant === null || name === tenant).sort();
  }

  pseudonyms(tenant: string): Pseudonyms {
    let pseudonyms = this.known.get(tenant);
    if (pseudonyms === undefined) {
      pseudonyms = pseudonymsOf(this.options.keys, tenant);
      this.known.set(tenant, pseudonyms);
    }
    return pseudonyms;
  }

  head(tenant: string, partition: number): HeadOf {
    const { fromMs, toMs } = this.options;
    const pseudonymKeyId = this.pseudonyms(tenant).keyId;
    return { tenant, partition, fromMs, toMs, pseudonymKeyId };
  }
}

/** The detector's own inputs: what they decode is what its rules ask for. */
async function inputsOf(options: ExportOptions) {
  const { codecs, log, enrichment, maxEventAgeMs, maxAheadMs, partitionsOf, prefix } = options;
  const { geoip } = enrichment;
  const detector = createDetector({ codecs, log, geoip, maxEventAgeMs, maxAheadMs });
  const ofEvents = detector.inputs.filter(({ topic }) => isEventTopic(topic));
  const counts = await Promise.all(
    ofEvents.map(({ topic }) => partitionsOf(physicalName(prefix, topic))),
  );
  return {
    inputs: ofEvents.filter((_, i) => counts[i] !== null) as readonly Input<RawEvent>[],
    partitions: Math.max(0, ...counts.map((count) => count ?? 0)),
  };
}

interface PartitionJob extends ExportOptions {
  readonly consents: ConsentTimes;
  readonly inputs: readonly Input<RawEvent>[];
  readonly partition: number;
  readonly partitions: number;
}

async function exportPartition(
  job: PartitionJob,
  tenants: Tenants,
  facts: Facts,
  done: Exported,
): Promise<void> {
  const { prefix, directory, keys, enrichment, partition } = job;
  const files = new Map<string, EventFile>();
  const source = { ...job, physicalName: (topic: string) => physicalName(prefix, topic) };
  try {
    for await (const record of readPartition(source)) {
      const tenant = record?.value.tenant_id;
      if (record === null || tenant === undefined) {
        done.leftOut += 1;
        continue;
      }
      if (job.tenant !== null && tenant !== job.tenant) continue;
      const precision = job.consents.at(record.key, record.timestampMs);
      const event = minimise({ ...record, precision }, tenants.pseudonyms(tenant), enrichment);
      if (event.value.occurred_at <= facts.erasedUntilMs(tenant, event.value.user_id)) {
        done.erased += 1;
        continue;
      }
      let file = files.get(tenant);
      if (file === undefined) {
        file = new EventFile(directory, tenants.head(tenant, partition), keys);
        files.set(tenant, file);
      }
      file.add(event);
      done.events += 1;
    }
  } catch (error) {
    for (const file of files.values()) file.abandon();
    throw error;
  }
  for (const file of files.values()) file.finish();
  done.files += files.size;
}
