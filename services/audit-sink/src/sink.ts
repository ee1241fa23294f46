import { assertNever } from "@vigie/core/assert";
import { messageOf, VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { dlq, type Outcome, ok } from "@vigie/core/outcome";
import { checkEvent } from "@vigie/schemas/admit";
import type { Codecs } from "@vigie/schemas/codecs";
import type { AuditEvent, SessionAnomaly } from "@vigie/schemas/types";
import type { Sink, SinkContext, SinkRecord, UnusableRecord } from "@vigie/stream/kafka/sink";
import { type AuditEntry, entryOfAnomaly, entryOfAudit } from "./entry.ts";
import type { AuditItem, AuditStore, Written } from "./store.ts";

export const auditTopics = ["id.audit", "id.session.anomaly"] as const;

export interface AuditSinkOptions {
  readonly store: AuditStore;
  readonly codecs: Codecs;
  readonly log: Logger;
  /** Told after the commit. */
  readonly observe: (written: Written & { readonly skipped: number }) => void;
}

/** Null: the record is none that is audited. */
type Translate = (record: SinkRecord) => Promise<Outcome<AuditEntry | null>>;

/** Appends each audited record once and in order; offsets are in the store, with the entries. */
export function createAuditSink(options: AuditSinkOptions): (context: SinkContext) => Sink {
  const { store, log, observe } = options;
  const translate = createTranslate(options.codecs);
  return ({ deadLetter }) => ({
    assigned: (partitions) => store.positions(partitions),
    async write(batch, next) {
      const { items, unusable } = await sortOut(batch, translate);
      if (unusable.length > 0) await deadLetter(unusable);
      const written = await critical(() => store.write(items, next), log);
      if ("rewind" in written) return written;
      tellConflicts(written, log);
      observe({ ...written, skipped: batch.length - items.length - unusable.length });
      return undefined;
    },
    lost: (partitions) => store.forget(partitions),
  });
}

async function sortOut(batch: readonly SinkRecord[], translate: Translate) {
  const items: AuditItem[] = [];
  const unusable: UnusableRecord[] = [];
  for (const record of batch) {
    const outcome = await translate(record);
    if (outcome.kind === "dlq") {
      unusable.push({ record, code: outcome.code, details: outcome.details });
    } else if (outcome.kind === "ok" && outcome.value !== null && record.value !== null) {
      items.push({ entry: outcome.value, value: record.value });
    }
  }
  return { items, unusable };
}

function createTranslate(codecs: Codecs): Translate {
  const audit = codecs.decoder<AuditEvent>("id.audit");
  const anomaly = codecs.decoder<SessionAnomaly>("id.session.anomaly");

  function entryOf(topic: (typeof auditTopics)[number], value: object, origin: SinkRecord) {
    if (topic === "id.audit") return entryOfAudit(value as AuditEvent, origin);
    if (topic === "id.session.anomaly") return entryOfAnomaly(value as SessionAnomaly, origin);
    return assertNever(topic);
  }

  return async (record) => {
    const topic = record.topic as (typeof auditTopics)[number];
    if (record.value === null) return dlq("VIG_RECORD_NULL");
    const decoder = topic === "id.audit" ? audit : anomaly;
    let decoded = decoder.decode(record.value);
    while (decoded.kind === "later") {
      await decoded.ready;
      decoded = decoder.decode(record.value);
    }
    if (decoded.kind !== "ok") return decoded;
    const [fault] = checkEvent(topic, decoded.value);
    if (fault !== undefined) return dlq("VIG_EVENT_FIELD_INVALID", { ...fault });
    return ok(entryOf(topic, decoded.value, record));
  };
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

function tellConflicts({ conflicts }: Written, log: Logger): void {
  for (const { eventId, tenantKey, origin } of conflicts) {
    const { topic, partition, offset } = origin;
    const fields = { code: "VIG_AUDIT_CONFLICT", eventId, tenantKey, topic, partition, offset };
    log.fatal(fields, "audit_conflict");
  }
}
