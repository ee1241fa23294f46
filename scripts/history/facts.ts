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
import { type Fact, FactFile, type HeadOf } from "./history-file.ts";
import type { Pseudonyms } from "./pseudonyms.ts";

const EVERYBODY = "*";

/** What the topics know beside the events, in pseudonyms: a file of each tenant that anything is known of. */
export class Facts {
  private readonly options: ExportOptions;
  private readonly headOf: (tenant: string) => HeadOf;
  private readonly files = new Map<string, FactFile>();
  private readonly erased = new Map<string, number>();
  /** Of all tenants: the policy that theirs lie over. */
  private common: Fact | null = null;

  constructor(options: ExportOptions, headOf: (tenant: string) => HeadOf) {
    this.options = options;
    this.headOf = headOf;
  }

  /** Reads alarms, labels, erasures and policies as far as they are retained, whatever the time that is exported. */
  async read(pseudonymsOf: (tenant: string) => Pseudonyms): Promise<void> {
    const { options } = this;
    await this.readPolicies();
    await readAll<SubjectErasure>(options, "id.subject.erasure", (erasure, timestampMs) => {
      const { tenant_id: tenant, user_id, requested_at } = erasure;
      const user = pseudonymsOf(tenant).uuid("user", user_id);
      const untilMs = Math.min(requested_at, timestampMs);
      const name = `${tenant}|${user}`;
      this.erased.set(name, Math.max(untilMs, this.erased.get(name) ?? 0));
      this.add(tenant, { type: "erased", user, untilMs });
    });
    await readAll<SessionAnomaly>(options, "id.session.anomaly", (anomaly) => {
      if (anomaly.retracts === null) this.add(anomaly.tenant_id, alarmOf(anomaly, pseudonymsOf));
    });
    await readAll<AnomalyLabel>(options, "id.anomaly.label", (label) => {
      const { anomaly_id: id, tenant_id, labelled_at: labelledAtMs } = label;
      if (label.label === "UNKNOWN") return;
      const isTrue = label.label === "TRUE_POSITIVE";
      this.add(tenant_id, { type: "label", id, isTrue, labelledAtMs });
    });
  }

  /** Before anything else, so that every file begins with the policy of all. */
  private async readPolicies(): Promise<void> {
    const policies = new Map<string, Fact>();
    const set = (key: string, version: number, document: string): void => {
      policies.set(key, { type: "policy", key, version, document });
    };
    await readAll<SessionPolicy>(
      this.options,
      "id.session.policy",
      ({ tenant_id, version, document }) => set(tenant_id, version, document),
      (key) => set(key, 0, "{}"),
    );
    this.common = policies.get(EVERYBODY) ?? null;
    for (const [key, policy] of policies) if (key !== EVERYBODY) this.add(key, policy);
  }

  /** -Infinity: never. */
  erasedUntilMs(tenant: string, user: string): number {
    return this.erased.get(`${tenant}|${user}`) ?? Number.NEGATIVE_INFINITY;
  }

  /** Gives the files their names, also those of tenants of whom only events are known. Returns: how many. */
  finish(tenants: readonly string[]): number {
    for (const tenant of tenants) this.file(tenant);
    for (const file of this.files.values()) file.finish();
    return this.files.size;
  }

  abandon(): void {
    for (const file of this.files.values()) file.abandon();
  }

  private add(tenant: string, fact: Fact): void {
    const { tenant: wanted } = this.options;
    if (wanted === null || tenant === wanted) this.file(tenant).add(fact);
  }

  private file(tenant: string): FactFile {
    let file = this.files.get(tenant);
    if (file === undefined) {
      const { directory, keys } = this.options;
      file = new FactFile(directory, this.headOf(tenant), keys);
      if (this.common !== null) file.add(this.common);
      this.files.set(tenant, file);
    }
    return file;
  }
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
export async function readAll<V>(
  { reader, codecs, prefix, partitionsOf }: ExportOptions,
  topic: TopicName,
  onValue: (value: V, timestampMs: number) => void,
  onRemoved: (key: string, timestampMs: number) => void = () => {},
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
        onRemoved(String(key), timestampMs);
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
