import type { Logger } from "@vigie/core/log";
import type { Outages } from "@vigie/core/outages";
import type { Clock } from "@vigie/core/time";
import type { Codecs } from "@vigie/schemas/codec-core";
import type { AuditTrail } from "@vigie/service-kit/audit-trail/audit-trail";
import type { AuthOptions } from "@vigie/service-kit/http/auth";
import type { Metrics } from "@vigie/service-kit/metrics";
import type { EventOutput } from "@vigie/service-kit/output/event-output";
import type { PolicyBook } from "@vigie/service-kit/policy-book";
import type { Database } from "@vigie/service-kit/postgres/database";
import type { SessionView } from "@vigie/service-kit/sessions/view";
import type { FastifyInstance } from "fastify";
import type { AuditLog } from "./audit-api/audit-log.ts";
import type { ExportLimits } from "./audit-api/running-exports.ts";
import type { Outcomes } from "./commands/outcomes.ts";
import type { Consents } from "./consents/consents.ts";
import type { ExcessLogins } from "./ingest/excess-logins.ts";
import type { AdmitLimits } from "./ingest/steps/admit-event.ts";
import type { LiveLimits } from "./live/doors.ts";
import type { Hub } from "./live/hub.ts";
import type { PolicyStore } from "./policies/policy-store.ts";

/** What the features of the edge share. */
export interface EdgeContext {
  readonly auth: AuthOptions;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly output: EventOutput;
  readonly codecs: Codecs;
  readonly limits: AdmitLimits;
  /** How finely people's places may go on. */
  readonly consents: Consents;
  readonly batchBodyMaxBytes: number;
  /** Null when no DATABASE_URL is configured: what needs it answers 503. */
  readonly database: Database | null;
  readonly view: SessionView;
  readonly audit: AuditTrail;
  /** What was put on record, to be read; null without a database. */
  readonly auditLog: AuditLog | null;
  readonly exportLimits: ExportLimits;
  /** The policies in force. */
  readonly policies: PolicyBook;
  /** Our own outages that people of a partition must not suffer from. */
  outagesOf(partition: number): Outages;
  /** Where policies are changed; null without a database. */
  readonly policyStore: PolicyStore | null;
  /** What became of commands and epochs, of any edge. */
  readonly outcomes: Outcomes;
  /** How long a call waits for what it set going. */
  readonly commandWaitMs: number;
  /** Names that are to answer every revocation. */
  readonly enforcementPoints: readonly string[];
  /** Within this they should have acted. */
  readonly ackObjectiveMs: number;
  /** org_id values whose administrators and auditors are those of the ID domain (REV-06, SUB-01). */
  readonly idDomainOrgs: ReadonlySet<string>;
  /** Exact origins and one-level wildcards. */
  readonly allowedOrigins: readonly string[];
  /** What streams are told of. */
  readonly hub: Hub;
  readonly liveLimits: LiveLimits;
  /** Whose logins are slowed. */
  readonly excess: ExcessLogins;
  /** False while the schemas of events are not known yet: then ingest answers 503. */
  isReady(): boolean;
}

/** One feature: its routes, registered in a scope of their own. */
export type Feature = (scope: FastifyInstance, context: EdgeContext) => void;
