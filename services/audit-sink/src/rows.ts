import { tenantUuid } from "@vigie/service-kit/ids";
import { type RowOf, unnest } from "@vigie/service-kit/postgres/unnest";
import type { ChainColumns, SignedColumns } from "./chain.ts";
import type { AuditEntry } from "./entry.ts";
import type { Sealing } from "./seal.ts";

/** Columns that are signed, with those that chain them. */
const chainedColumns = {
  index: "bigint",
  event_id: "text",
  tenant_key: "text",
  occurred_at_ms: "bigint",
  recorded_at_ms: "bigint",
  source_topic: "text",
  source_partition: "integer",
  source_offset: "bigint",
  emitter: "text",
  emitter_seq: "bigint",
  action: "text",
  actor_type: "text",
  actor_id: "text",
  impersonator_id: "text",
  subject_user_id: "text",
  is_impersonation: "boolean",
  impersonated_user_id: "text",
  ip_sealed: "text",
  ip_prefix: "text",
  ip_hash: "text",
  ip_hash_key_id: "text",
  user_agent: "text",
  payload: "text",
  event_digest: "text",
  previous_hash: "text",
  entry_hash: "text",
  signature: "text",
  key_id: "text",
} as const satisfies Record<keyof (SignedColumns & ChainColumns), string>;

/** Besides, what readers search by; it follows from the signed columns. */
export const auditColumns = unnest({
  ...chainedColumns,
  tenant_id: "uuid",
  occurred_at: "timestamp",
});

export const chainedNames = Object.keys(chainedColumns).join(", ");

export type AuditRow = SignedColumns & ChainColumns & DerivedColumns;

export interface DerivedColumns {
  readonly tenant_id: string;
  readonly occurred_at: string;
}

export const conflictColumns = unnest({
  source_topic: "text",
  source_partition: "integer",
  source_offset: "bigint",
  event_id: "text",
  tenant_id: "uuid",
  tenant_key: "text",
  recorded_at_ms: "bigint",
  event_digest: "text",
  value_sealed: "text",
});
export type ConflictRow = RowOf<typeof conflictColumns>;

/** A row that has everything but its place. */
export type UnplacedRow = Omit<SignedColumns, "index">;

const NO_ADDRESS = { ip_sealed: null, ip_prefix: null, ip_hash: null, ip_hash_key_id: null };

/** `digest` is the signer's of the entry's identity. */
export function rowOf(entry: AuditEntry, digest: string, sealing: Sealing): UnplacedRow {
  return {
    event_id: entry.eventId,
    tenant_key: entry.tenantKey,
    occurred_at_ms: entry.occurredAtMs,
    recorded_at_ms: sealing.clock(),
    source_topic: entry.origin.topic,
    source_partition: entry.origin.partition,
    source_offset: entry.origin.offset,
    emitter: entry.emitter,
    emitter_seq: entry.emitterSeq,
    action: entry.action,
    actor_type: entry.actorType,
    actor_id: entry.actorId,
    impersonator_id: entry.impersonatorId,
    subject_user_id: entry.subjectUserId,
    is_impersonation: entry.isImpersonation,
    impersonated_user_id: entry.impersonatedUserId,
    ...(entry.ip === null ? NO_ADDRESS : sealing.address(entry.tenantKey, entry.ip)),
    user_agent: entry.userAgent,
    payload: entry.payload,
    event_digest: digest,
  };
}

/** PostgreSQL holds the years 1..9999 in every form; what was said stays in occurred_at_ms. */
const EARLIEST_MS = Date.parse("0001-01-01T00:00:00.000Z");
const LATEST_MS = Date.parse("9999-12-31T23:59:59.999Z");

export const derivedOf = (row: SignedColumns): DerivedColumns => ({
  tenant_id: tenantUuid(row.tenant_key),
  occurred_at: new Date(
    Math.min(LATEST_MS, Math.max(EARLIEST_MS, row.occurred_at_ms)),
  ).toISOString(),
});

export const conflictRowOf = (
  entry: AuditEntry,
  { digest, value }: { readonly digest: string; readonly value: Uint8Array },
  sealing: Sealing,
): ConflictRow => ({
  source_topic: entry.origin.topic,
  source_partition: entry.origin.partition,
  source_offset: entry.origin.offset,
  event_id: entry.eventId,
  tenant_id: tenantUuid(entry.tenantKey),
  tenant_key: entry.tenantKey,
  recorded_at_ms: sealing.clock(),
  event_digest: digest,
  value_sealed: sealing.conflict(entry.tenantKey, value),
});
