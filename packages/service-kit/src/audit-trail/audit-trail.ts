import type { AuditAction } from "@vigie/schemas/audit-actions";
import type { Actor, ActorType } from "@vigie/schemas/types";
import type { FastifyRequest } from "fastify";
import type { Caller } from "../http/jwt.ts";

/** One action to be audited. */
export interface AuditEntry {
  readonly action: AuditAction;
  readonly caller: Caller;
  readonly request: FastifyRequest;
  /** As what the caller acts. Default: ADMIN with the rights of one, else USER for a person, SYSTEM for a service. */
  readonly actorType?: ActorType;
  /** Whom it concerns. */
  readonly subjectUserId: string | null;
  readonly payload: Readonly<Record<string, unknown>>;
  /** Of a deed done elsewhere, which the caller tells of. */
  readonly reported?: ReportedDeed;
}

export interface ReportedDeed {
  readonly actor: Actor;
  readonly impersonatedId: string | null;
  readonly occurredAtMs: number;
}

/** What a service itself did, with no call behind it. */
export interface OwnDeed {
  readonly action: AuditAction;
  readonly tenantId: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** A refused attempt: who, and why in `payload.fault`. */
export type RefusedAttempt = Pick<AuditEntry, "caller" | "request" | "payload">;

export interface AuditReceipt {
  /** The broker's clock when it appended the record; -1 when it does not say. */
  readonly recordedAtMs: number;
}

/** Where privileged calls are put on record before they are answered. */
export interface AuditTrail {
  /**
   * Resolves once the broker has it. Throws: VIG_AUDIT_WRITE_FAILED, and then the call must fail too; the record
   * is kept and written later. VIG_RECORD_TOO_LARGE, VIG_EVENT_FIELD_INVALID for what no record takes.
   */
  record(entry: AuditEntry): Promise<AuditReceipt>;
  /** The same for what the service did by itself. */
  recordOwn(deed: OwnDeed): Promise<AuditReceipt>;
  /** A refused attempt. Never waited for; gathered, so that nobody can fill the log. */
  denied(attempt: RefusedAttempt): void;
}
