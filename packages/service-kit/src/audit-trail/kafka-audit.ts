import { randomUUID } from "node:crypto";
import { canonicalJson } from "@vigie/core/canonical-json";
import { VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import type { Clock } from "@vigie/core/time";
import { checkEvent } from "@vigie/schemas/admit";
import {
  ACCESS_DENIED,
  type AuditAction,
  SERIES_CLOSED,
  SERIES_CONTINUED,
  SERIES_CONTINUED_EVERY_MS,
  SERIES_OPENED,
} from "@vigie/schemas/audit-actions";
import { VALUE_MAX_BYTES } from "@vigie/schemas/catalogue";
import type { Codecs } from "@vigie/schemas/codec-core";
import type { Actor, AuditEvent } from "@vigie/schemas/types";
import { adminFault } from "../http/access.ts";
import type { Metrics } from "../metrics.ts";
import type { EventOutput } from "../output/event-output.ts";
import { actorOf } from "./actor.ts";
import type { AuditEntry, AuditReceipt, AuditTrail, OwnDeed } from "./audit-trail.ts";
import { DeniedAttempts, type DeniedSummary } from "./denied-attempts.ts";
import { impersonationOf } from "./impersonation.ts";
import { RecordQueue } from "./record-queue.ts";

export interface KafkaAuditOptions {
  readonly output: Pick<EventOutput, "publish">;
  readonly codecs: Codecs;
  /** Different for every start of every instance: numbers begin anew with it. */
  readonly emitter: string;
  readonly idDomainOrgs: ReadonlySet<string>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface KafkaAudit extends AuditTrail {
  /**
   * Begins the series, so that one that a crash left open is noticed at the next start, and says now and then that it
   * goes on, so that one is noticed that nothing follows. Not waited for.
   */
  open(): void;
  /** Writes what is gathered, then the record that closes the series; waits for the broker, for a while. */
  close(): Promise<void>;
}

/** All but the payload: ids of 128 characters, an actor of 1,024 for the user agent. */
const ROOM_BESIDES_PAYLOAD_BYTES = 8_192;
const PAYLOAD_MAX_BYTES = VALUE_MAX_BYTES - ROOM_BESIDES_PAYLOAD_BYTES;
/** Well under the drain limit of 8 s, and as long as a record may wait for its acknowledgement. */
const CLOSE_TIMEOUT_MS = 5_000;
/** Records of Vigie itself have no tenant; theirs is named so. */
const PLATFORM_TENANT = "platform";

type Draft = Omit<AuditEvent, "event_id" | "emitter" | "emitter_seq">;

/** A service's own series on id.audit: numbered from 1 without a hole, closed by a record at a stop. */
export function createKafkaAudit(options: KafkaAuditOptions): KafkaAudit {
  const { output, emitter, clock, log, metrics } = options;
  const encoder = options.codecs.encoder<AuditEvent>("id.audit");
  const { waiting, overflow } = metersOf(metrics);
  const queue = new RecordQueue({
    publish: (event) => output.publish(event),
    log,
    observe: (count) => waiting.set(count),
  });
  let taken = 0;
  let closed = false;

  /** A number is given only to what the queue then holds until the broker has it, and the audit then takes. */
  function push(draft: Draft): Promise<AuditReceipt> {
    if (closed) throw refused("the service is stopping");
    if (queue.isFull) throw refused("too many records wait for the broker");
    const event: AuditEvent = {
      event_id: randomUUID(),
      emitter,
      emitter_seq: taken + 1,
      ...draft,
    };
    const [fault] = checkEvent("id.audit", event);
    if (fault !== undefined) throw new VigError("VIG_EVENT_FIELD_INVALID", { ...fault });
    taken += 1;
    const make = () => ({ topic: "id.audit", key: emitter, value: encoder.encode(event) });
    return queue.push(make).then(({ appendedAtMs }) => ({ recordedAtMs: appendedAtMs }));
  }

  /** AUD-06: what is not even queued is told at the highest level as well. */
  function refused(why: string): VigError {
    const code = "VIG_AUDIT_WRITE_FAILED";
    log.fatal({ code, why, waiting: queue.size }, "audit_write_failed");
    return new VigError(code, { why });
  }

  const denials = new DeniedAttempts({
    clock,
    write: (summary) => pushUnawaited(deniedDraft(summary, clock())),
    overflowed: () => overflow.inc(),
  });

  /** The log is told by whoever fails. */
  function pushUnawaited(draft: Draft): void {
    try {
      push(draft).catch(() => undefined);
    } catch {
      overflow.inc();
    }
  }

  const pushOfSeries = (action: AuditAction, more = {}): void =>
    pushUnawaited(seriesDraft(emitter, { action, more, nowMs: clock() }));
  let alive: NodeJS.Timeout | undefined;

  return {
    async record(entry) {
      return push(draftOf(entry, actorTypeOf(entry, options.idDomainOrgs), clock()));
    },
    async recordOwn(deed) {
      return push(ownDraft(emitter, deed, clock()));
    },
    denied: (attempt) => denials.add(attempt),
    open() {
      pushOfSeries(SERIES_OPENED);
      alive = setInterval(() => pushOfSeries(SERIES_CONTINUED), SERIES_CONTINUED_EVERY_MS).unref();
    },
    async close() {
      clearInterval(alive);
      denials.close();
      if (closed) return;
      // A series without a record has nothing that could be missing.
      if (taken > 0) pushOfSeries(SERIES_CLOSED, { records: taken + 1 });
      closed = true;
      const lost = await queue.drain(CLOSE_TIMEOUT_MS);
      if (lost > 0) log.fatal({ code: "VIG_AUDIT_WRITE_FAILED", lost }, "audit_records_lost");
    },
  };
}

const metersOf = (metrics: Metrics) => ({
  waiting: metrics.gauge(
    `vigie_${metrics.service}_audit_waiting`,
    "Audit records without an answer yet",
  ),
  overflow: metrics.counter(
    `vigie_${metrics.service}_audit_attempts_lost_total`,
    "Refused attempts that found no room to be gathered",
  ),
});

function draftOf(entry: AuditEntry, type: Actor["type"], nowMs: number): Draft {
  const { caller, request, action, subjectUserId, payload, reported } = entry;
  const text = payloadText(payload);
  const impersonatedId =
    reported === undefined
      ? (impersonationOf(caller, request)?.impersonatedId ?? null)
      : reported.impersonatedId;
  return {
    tenant_id: caller.tenantId,
    occurred_at: reported?.occurredAtMs ?? nowMs,
    action,
    actor: reported?.actor ?? actorOf(caller, request, type),
    subject_user_id: subjectUserId,
    // AUD-12.
    is_impersonation: impersonatedId !== null,
    impersonated_user_id: impersonatedId,
    payload: text,
  };
}

function payloadText(payload: Readonly<Record<string, unknown>>): string {
  const text = canonicalJson(payload);
  const bytes = Buffer.byteLength(text);
  if (bytes > PAYLOAD_MAX_BYTES) {
    throw new VigError("VIG_RECORD_TOO_LARGE", { bytes, limitBytes: PAYLOAD_MAX_BYTES });
  }
  return text;
}

/** AUD-03. */
function actorTypeOf(
  { actorType, caller }: Pick<AuditEntry, "actorType" | "caller">,
  idDomainOrgs: ReadonlySet<string>,
): Actor["type"] {
  if (actorType !== undefined) return actorType;
  if (adminFault(caller, idDomainOrgs) === null) return "ADMIN";
  return caller.kind === "user" ? "USER" : "SYSTEM";
}

function deniedDraft({ attempt, payload }: DeniedSummary, nowMs: number): Draft {
  const { caller, request } = attempt;
  const type = caller.kind === "user" ? "USER" : "SYSTEM";
  const entry = { caller, request, action: ACCESS_DENIED, subjectUserId: null, payload };
  return draftOf(entry, type, nowMs);
}

const ownDraft = (emitter: string, deed: OwnDeed, nowMs: number): Draft => ({
  tenant_id: deed.tenantId,
  occurred_at: nowMs,
  action: deed.action,
  actor: { type: "SYSTEM", id: emitter, impersonator_id: null, ip: null, user_agent: null },
  subject_user_id: null,
  is_impersonation: false,
  impersonated_user_id: null,
  payload: payloadText(deed.payload),
});

/** Without one that closes it: what the series held last may be missing, as after a crash. */
const seriesDraft = (
  emitter: string,
  { action, more, nowMs }: { action: AuditAction; more: object; nowMs: number },
): Draft => {
  const payload = { emitter, ...more };
  return ownDraft(emitter, { action, tenantId: PLATFORM_TENANT, payload }, nowMs);
};
