import type { TopicName } from "@vigie/schemas/catalogue";
import { physicalName } from "@vigie/schemas/catalogue";
import type {
  AnomalyLabel,
  SessionAnomaly,
  SessionPolicy,
  SubjectErasure,
} from "@vigie/schemas/types";
import type { FetchedRecord } from "@vigie/stream/kafka/types";
import type { ExportOptions } from "./export.ts";
import type { Fact } from "./history-file.ts";
import type { Pseudonyms } from "./pseudonyms.ts";

/** What the topics know beside the events, in pseudonyms. */
export interface ExportedFacts {
  /** Of all tenants: the policy that theirs lie over. */
  readonly common: readonly Fact[];
  /** Every tenant that anything is known of. */
  readonly byTenant: ReadonlyMap<string, readonly Fact[]>;
  /** By tenant and pseudonym; -Infinity: never. */
  erasedUntilMs(tenant: string, user: string): number;
}

const EVERYBODY = "*";

/** Reads alarms, labels, erasures and policies as far as they are retained, whatever the time that is exported. */
export async function readFactsOfTopics(
  options: ExportOptions,
  pseudonymsOf: (tenant: string) => Pseudonyms,
): Promise<ExportedFacts> {
  const common: Fact[] = [];
  const byTenant = new Map<string, Fact[]>();
  const erased = new Map<string, number>();
  const add = (tenant: string, fact: Fact): void => {
    if (options.tenant !== null && tenant !== options.tenant) return;
    const facts = byTenant.get(tenant);
    if (facts === undefined) byTenant.set(tenant, [fact]);
    else facts.push(fact);
  };
  const policy = (key: string, version: number, document: string): void => {
    const fact: Fact = { type: "policy", key, version, document };
    if (key === EVERYBODY) common.push(fact);
    else add(key, fact);
  };
  await readAll<SessionPolicy>(
    options,
    "id.session.policy",
    ({ tenant_id, version, document }) => policy(tenant_id, version, document),
    (key) => policy(key, 0, "{}"),
  );
  await readAll<SubjectErasure>(options, "id.subject.erasure", (erasure, timestampMs) => {
    const { tenant_id: tenant, user_id, requested_at } = erasure;
    const user = pseudonymsOf(tenant).uuid("user", user_id);
    const untilMs = Math.min(requested_at, timestampMs);
    const name = `${tenant}|${user}`;
    erased.set(name, Math.max(untilMs, erased.get(name) ?? 0));
    add(tenant, { type: "erased", user, untilMs });
  });
  await readAll<SessionAnomaly>(options, "id.session.anomaly", (anomaly) => {
    if (anomaly.retracts === null) add(anomaly.tenant_id, alarmOf(anomaly, pseudonymsOf));
  });
  await readAll<AnomalyLabel>(options, "id.anomaly.label", (label) => {
    const { anomaly_id: id, tenant_id, labelled_at: labelledAtMs } = label;
    if (label.label === "UNKNOWN") return;
    add(tenant_id, { type: "label", id, isTrue: label.label === "TRUE_POSITIVE", labelledAtMs });
  });
  return {
    common,
    byTenant,
    erasedUntilMs: (tenant, user) => erased.get(`${tenant}|${user}`) ?? Number.NEGATIVE_INFINITY,
  };
}

function alarmOf(
  { anomaly_id, tenant_id, user_id, kind, cause_event_ids, occurred_at }: SessionAnomaly,
  pseudonymsOf: (tenant: string) => Pseudonyms,
): Fact {
  const pseudonyms = pseudonymsOf(tenant_id);
  return {
    type: "alarm",
    id: anomaly_id,
    kind,
    user: pseudonyms.uuid("user", user_id),
    causes: cause_event_ids.map((cause) => pseudonyms.uuid("event", cause)),
    atMs: occurred_at,
  };
}

/** All that is committed of a topic, partition after partition; of a topic that does not exist, nothing. */
async function readAll<V>(
  { reader, codecs, prefix, partitionsOf }: ExportOptions,
  topic: TopicName,
  onValue: (value: V, timestampMs: number) => void,
  onRemoved: (key: string) => void = () => {},
): Promise<void> {
  const name = physicalName(prefix, topic);
  const decoder = codecs.decoder<V>(topic);
  if ((await partitionsOf(name)) === null) return;
  const ends = await reader.stableOffsets(name);
  for (let partition = 0; partition < ends.length; partition++) {
    const waiting: FetchedRecord[] = [];
    const range = { topic: name, partition, from: "earliest", to: ends[partition] ?? 0 } as const;
    const take = ({ key, value, timestampMs }: FetchedRecord): Promise<void> | null => {
      if (value === null) {
        onRemoved(String(key));
        return null;
      }
      const outcome = decoder.decode(value);
      if (outcome.kind === "later") return outcome.ready;
      if (outcome.kind === "ok") onValue(outcome.value, timestampMs);
      return null;
    };
    await reader.read(range, (records) => {
      // Once one waits for its schema, all that follow wait, so that they stay in order.
      for (const record of records) {
        if (waiting.length > 0 || take(record) !== null) waiting.push(record);
      }
    });
    for (const record of waiting) {
      for (let ready = take(record); ready !== null; ready = take(record)) await ready;
    }
  }
}
