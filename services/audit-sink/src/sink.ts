import { assertNever } from "@vigie/core/assert";
import { messageOf, VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { dlq, type Outcome, ok } from "@vigie/core/outcome";
import { checkEvent } from "@vigie/schemas/admit";
import type { Codecs } from "@vigie/schemas/codecs";
import type { AuditEvent, SessionAnomaly, SubjectErasure } from "@vigie/schemas/types";
import type { Sink, SinkContext, SinkRecord, UnusableRecord } from "@vigie/stream/kafka/sink";
import { type AuditEntry, entryOfAnomaly, entryOfAudit } from "./entry.ts";
import type { AuditItem, Erasure } from "./items.ts";
import type { AuditBatch, AuditStore, Written } from "./store.ts";
import type { Told } from "./told.ts";

export const auditTopics = ["id.audit", "id.session.anomaly", "id.subject.erasure"] as const;
type AuditTopic = (typeof auditTopics)[number];

export interface AuditSinkOptions {
  readonly store: AuditStore;
  readonly codecs: Codecs;
  readonly log: Logger;
  /** Told after the commit. */
  readonly observe: (told: Told) => void;
}

/** What a record asks for; none: it is not audited. */
type Wanted =
  | { readonly kind: "entry"; readonly entry: AuditEntry }
  | { readonly kind: "erasure"; readonly request: SubjectErasure }
  | { readonly kind: "none" };
type Translate = (record: SinkRecord) => Promise<Outcome<Wanted>>;

/** Appends each audited record once and in order; offsets are in the store, with the leaves. */
export function createAuditSink(options: AuditSinkOptions): (context: SinkContext) => Sink {
  const { store, log, observe } = options;
  const translate = createTranslate(options.codecs);
  return ({ deadLetter }) => ({
    assigned: (partitions) => store.positions(partitions),
    async write(records, next) {
      const { items, erasures, unusable, skipped } = await sortOut(records, translate);
      if (unusable.length > 0) await deadLetter(unusable);
      const written = await critical(() => store.write({ items, erasures }, next), log);
      if ("rewind" in written) return written;
      tell(written, log);
      observe({ ...written, skipped });
      return undefined;
    },
    lost: (partitions) => store.forget(partitions),
  });
}

/** What is missed of a series is put on record in time also when nothing else comes. */
export async function writeDueGaps({
  store,
  log,
  observe,
}: Omit<AuditSinkOptions, "codecs">): Promise<void> {
  const written = await critical(() => store.write({ items: [] }, []), log);
  if ("rewind" in written) return;
  tell(written, log);
  observe({ ...written, skipped: 0 });
}

interface SortedOut extends Required<AuditBatch> {
  readonly unusable: readonly UnusableRecord[];
  readonly skipped: number;
}

async function sortOut(records: readonly SinkRecord[], translate: Translate): Promise<SortedOut> {
  const items: AuditItem[] = [];
  const erasures: Erasure[] = [];
  const unusable: UnusableRecord[] = [];
  let skipped = 0;
  for (const record of records) {
    const outcome = await translate(record);
    if (outcome.kind === "dlq") {
      unusable.push({ record, code: outcome.code, details: outcome.details });
    } else if (outcome.kind !== "ok" || outcome.value.kind === "none") skipped += 1;
    else if (outcome.value.kind === "entry") {
      items.push({ entry: outcome.value.entry, value: record.value });
    } else {
      const { topic, partition, offset, timestampMs } = record;
      const origin = { topic, partition, offset, timestampMs };
      erasures.push({ request: outcome.value.request, origin });
    }
  }
  return { items, erasures, unusable, skipped };
}

function createTranslate(codecs: Codecs): Translate {
  const decoders = {
    "id.audit": codecs.decoder<AuditEvent>("id.audit"),
    "id.session.anomaly": codecs.decoder<SessionAnomaly>("id.session.anomaly"),
    "id.subject.erasure": codecs.decoder<SubjectErasure>("id.subject.erasure"),
  } as const;

  return async (record) => {
    const topic = record.topic as AuditTopic;
    if (record.value === null) return dlq("VIG_RECORD_NULL");
    const decoder = decoders[topic];
    let decoded = decoder.decode(record.value);
    while (decoded.kind === "later") {
      await decoded.ready;
      decoded = decoder.decode(record.value);
    }
    if (decoded.kind !== "ok") return decoded;
    const [fault] = checkEvent(topic, decoded.value);
    if (fault !== undefined) return dlq("VIG_EVENT_FIELD_INVALID", { ...fault });
    return ok(wantedOf(topic, decoded.value, record));
  };
}

function wantedOf(topic: AuditTopic, value: object, record: SinkRecord): Wanted {
  switch (topic) {
    case "id.audit":
      return { kind: "entry", entry: entryOfAudit(value as AuditEvent, record) };
    case "id.session.anomaly": {
      const entry = entryOfAnomaly(value as SessionAnomaly, record);
      return entry === null ? { kind: "none" } : { kind: "entry", entry };
    }
    case "id.subject.erasure":
      return { kind: "erasure", request: value as SubjectErasure };
    default:
      return assertNever(topic);
  }
}

/** AUD-06: an entry that could not be written is itself logged at the highest level; it is tried again. */
async function critical<T>(work: () => Promise<T>, log: Logger): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const why = messageOf(cause);
    log.fatal({ code: "VIG_AUDIT_WRITE_FAILED", why }, "audit_write_failed");
    throw new VigError("VIG_AUDIT_WRITE_FAILED", { why }, { cause });
  }
}

function tell({ conflicts, gaps }: Written, log: Logger): void {
  for (const { eventId, tenantKey, origin } of conflicts) {
    const { topic, partition, offset } = origin;
    const fields = { code: "VIG_AUDIT_CONFLICT", eventId, tenantKey, topic, partition, offset };
    log.fatal(fields, "audit_conflict");
  }
  for (const { payload } of gaps) {
    log.error({ code: "VIG_AUDIT_GAP", ...(payload as object) }, "audit_gap");
  }
}
