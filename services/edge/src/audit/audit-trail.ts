import type { Caller } from "@vigie/service-kit/http/jwt";
import type { FastifyRequest } from "fastify";

/** One action to be audited. */
export interface AuditEntry {
  /** policy.updated, session.revoke_requested, access.denied, ... */
  readonly action: string;
  readonly caller: Caller;
  readonly request: FastifyRequest;
  /** Whom it concerns. */
  readonly subjectUserId: string | null;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Where privileged calls are put on record before they are answered. */
export interface AuditTrail {
  /** Resolves once the broker has it. Throws: VIG_BROKER_AWAY, VIG_BUFFER_FULL; then the call must fail too. */
  record(entry: AuditEntry): Promise<void>;
  /** A refused attempt. Never waited for; gathered, so that nobody can fill the log. */
  denied(entry: Omit<AuditEntry, "action" | "subjectUserId">): void;
}
