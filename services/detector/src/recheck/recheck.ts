import { partitionOf } from "@vigie/core/keys";
import type { VersionedPolicy } from "@vigie/core/policy";
import type { Clock } from "@vigie/core/time";
import type { GeoIp } from "@vigie/geoip/geoip";
import { SEGMENT_MS, topics } from "@vigie/schemas/catalogue";
import type { Codecs } from "@vigie/schemas/codec-core";
import { Policies } from "@vigie/schemas/policies";
import type { SessionAnomaly, SessionPolicy, SubjectErasure } from "@vigie/schemas/types";
import type { Decoder, Encoder } from "@vigie/stream/codec";
import type { BatchingProducer } from "@vigie/stream/kafka/producer";
import type { RawEvent } from "#enrich/event";
import { type EventTopic, eventDecoder, eventTopics, kindOf } from "#enrich/event-topics";
import { userAgentParser } from "#enrich/user-agent";
import type { AnyRule } from "#rules/rule";
import { keptId } from "#state/id";
import { type Bench, type FoundEvent, judgeAgain, type Verdict } from "./judge-again.ts";
import { partitionsOf, type Reader, readSlowly, valuesOf } from "./read-slowly.ts";
import { retractionOf } from "./retraction.ts";

export interface RecheckOptions {
  readonly reader: Reader;
  readonly producer: Pick<BatchingProducer, "publish">;
  readonly codecs: Codecs;
  readonly rules: readonly AnyRule[];
  /** The data that counts now. */
  readonly geoip: GeoIp;
  /** Goes before topics. */
  readonly prefix: string;
  readonly clock: Clock;
  /** Ends the work between two slices of reading. */
  readonly signal: AbortSignal;
  /** Anomalies held at a time; default 10,000, some 30 MB with their events. More are judged in several rounds. */
  readonly alarmsMax?: number;
}

/** How many anomalies had which fate. */
export type RecheckCounts = Readonly<Record<Verdict, number>>;

const ALARMS_MAX = 10_000;
const ANOMALY_TOPIC = "id.session.anomaly";
/** No event that caused an older anomaly is in the topics any more. */
const EVENTS_KEPT_MS = topics["id.login"].keep.retentionMs + SEGMENT_MS;

/** An anomaly that nobody has withdrawn, by the key of its records. */
interface OpenAlarm {
  readonly key: string;
  readonly anomaly: SessionAnomaly;
}

/**
 * Judges the open anomalies that go by address data once more, with the data that counts now, and publishes a
 * retraction of each that is contradicted. Idempotent: whoever does it, and how often, the ids are the same.
 * Throws: VIG_BROKER_AWAY; the signal's reason.
 */
export async function recheck(options: RecheckOptions): Promise<RecheckCounts> {
  return new Recheck(options).run();
}

class Recheck {
  private readonly options: RecheckOptions;
  private readonly geoKinds: ReadonlySet<string>;
  private readonly decoders: {
    readonly anomaly: Decoder<SessionAnomaly>;
    readonly erasure: Decoder<SubjectErasure>;
    readonly policy: Decoder<SessionPolicy>;
    readonly events: ReadonlyMap<EventTopic, Decoder<RawEvent>>;
  };
  private readonly encoder: Encoder<SessionAnomaly>;
  private readonly counts: Record<Verdict, number> = {
    stands: 0,
    contradicted: 0,
    events_gone: 0,
  };
  /** Until when each person was erased: nothing more is published of what was before. */
  private readonly erased = new Map<string, number>();
  private readonly policies = new Map<string, SessionPolicy>();

  constructor(options: RecheckOptions) {
    const { codecs, rules } = options;
    this.options = options;
    this.geoKinds = new Set(
      rules.filter(({ stands }) => stands !== undefined).map(({ meta }) => meta.name),
    );
    this.decoders = {
      anomaly: codecs.decoder(ANOMALY_TOPIC),
      erasure: codecs.decoder("id.subject.erasure"),
      policy: codecs.decoder("id.session.policy"),
      events: new Map(eventTopics.map((topic) => [topic, eventDecoder(codecs, topic)])),
    };
    this.encoder = codecs.encoder(ANOMALY_TOPIC);
  }

  async run(): Promise<RecheckCounts> {
    await this.options.codecs.ready();
    await this.readAll("id.subject.erasure", this.decoders.erasure, (key, { requested_at }) => {
      this.erased.set(key, Math.max(requested_at, this.erased.get(key) ?? 0));
    });
    await this.readAll("id.session.policy", this.decoders.policy, (key, policy) => {
      this.policies.set(key, policy);
    });
    const bench = this.bench();
    const partitions = await partitionsOf(this.options, this.physical(ANOMALY_TOPIC));
    for (let partition = 0; partition < partitions; partition++) {
      let from: number | null = 0;
      while (from !== null) {
        const open = await this.openAlarms(partition, from);
        from = open.next;
        await this.judge(open.alarms, bench);
      }
    }
    return this.counts;
  }

  private bench(): Bench {
    const { geoip, rules } = this.options;
    const policies = new Policies(() => undefined);
    const policyOf = (tenantId: string): VersionedPolicy =>
      policies.of(tenantId, (key) => this.policies.get(key));
    return { rules, enrichment: { geoip, userAgentOf: userAgentParser() }, policyOf };
  }

  private readonly physical = (topic: string): string => this.options.prefix + topic;

  private async readAll<V>(
    name: string,
    decoder: Decoder<V>,
    take: (key: string, value: V) => void,
  ): Promise<void> {
    const topic = this.physical(name);
    const partitions = await partitionsOf(this.options, topic);
    for (let partition = 0; partition < partitions; partition++) {
      const all = () => true;
      await readSlowly(this.options, { topic, partition }, all, async (records) => {
        for (const { key, value } of await valuesOf(decoder, records)) take(key, value);
      });
    }
  }

  /** The open anomalies of a partition from an offset on, as many as are held at a time, and where the rest begins. */
  private async openAlarms(
    partition: number,
    from: number,
  ): Promise<{ readonly alarms: readonly OpenAlarm[]; readonly next: number | null }> {
    const { alarmsMax = ALARMS_MAX, clock } = this.options;
    const topic = this.physical(ANOMALY_TOPIC);
    const oldestMs = clock() - EVENTS_KEPT_MS;
    const open = new Map<string, OpenAlarm>();
    const withdrawn = new Set<string>();
    let next: number | null = null;
    await readSlowly(
      this.options,
      { topic, partition },
      ({ timestampMs }) => timestampMs >= oldestMs,
      async (records) => {
        for (const record of records) {
          const [read] = await valuesOf(this.decoders.anomaly, [record]);
          if (read === undefined) continue;
          const { key, value: anomaly } = read;
          if (anomaly.retracts !== null) {
            open.delete(anomaly.retracts);
            withdrawn.add(anomaly.retracts);
          } else if (record.offset >= from && next === null && this.isOpen(key, anomaly)) {
            if (open.size >= alarmsMax) next = record.offset;
            else if (!withdrawn.has(anomaly.anomaly_id))
              open.set(anomaly.anomaly_id, { key, anomaly });
          }
        }
      },
    );
    return { alarms: [...open.values()], next };
  }

  private isOpen(key: string, { kind, occurred_at }: SessionAnomaly): boolean {
    return this.geoKinds.has(kind) && occurred_at > (this.erased.get(key) ?? 0);
  }

  private async judge(alarms: readonly OpenAlarm[], bench: Bench): Promise<void> {
    if (alarms.length === 0) return;
    const found = await this.findEvents(alarms);
    const { clock, producer, prefix } = this.options;
    const publishing: Promise<unknown>[] = [];
    for (const { key, anomaly } of alarms) {
      const events = anomaly.cause_event_ids.map((id) => found.get(placeOf(key, id)));
      const verdict = judgeAgain(anomaly, events, bench);
      this.counts[verdict] += 1;
      if (verdict !== "contradicted") continue;
      const value = this.encoder.encode(retractionOf(anomaly, clock()));
      publishing.push(producer.publish({ topic: prefix + ANOMALY_TOPIC, key, value }));
    }
    await Promise.all(publishing);
  }

  /** The events that caused these anomalies, by user and id, as far as the topics still hold them. */
  private async findEvents(alarms: readonly OpenAlarm[]): Promise<ReadonlyMap<string, FoundEvent>> {
    const keys = new Set(alarms.map(({ key }) => key));
    const wanted = new Set(
      alarms.flatMap(({ key, anomaly }) => anomaly.cause_event_ids.map((id) => placeOf(key, id))),
    );
    const found = new Map<string, FoundEvent>();
    for (const [name, decoder] of this.decoders.events) {
      const topic = this.physical(name);
      const count = await partitionsOf(this.options, topic);
      if (count === 0) continue;
      const partitions = new Set([...keys].map((key) => partitionOf(key, count)));
      for (const partition of partitions) {
        await readSlowly(
          this.options,
          { topic, partition },
          ({ key }) => key !== null && keys.has(key.toString("utf8")),
          async (records) => {
            for (const { key, value: raw } of await valuesOf(decoder, records)) {
              const kind = kindOf[name][raw.kind ?? ""];
              const place = placeOf(key, keptId(raw.event_id));
              const isWanted = wanted.has(place) || wanted.has(placeOf(key, raw.event_id));
              if (kind === undefined || !isWanted) continue;
              found.set(place, { kind, raw });
              found.set(placeOf(key, raw.event_id), { kind, raw });
            }
          },
        );
      }
    }
    return found;
  }
}

/** Ids of events are their user's own; a longer one may stand in an anomaly as what is kept of it. */
const placeOf = (key: string, eventId: string): string => `${key} ${eventId}`;
