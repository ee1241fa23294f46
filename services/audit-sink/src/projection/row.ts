import type { BoxFields } from "@vigie/audit-log/box";
import type { Leaf } from "@vigie/audit-log/leaf";
import { VigError } from "@vigie/core/errors";
import type { OpenedLeaf } from "@vigie/service-kit/audit/subjects";
import { tenantUuid } from "@vigie/service-kit/ids";
import { type RowOf, unnest } from "@vigie/service-kit/postgres/unnest";
import { clientOf } from "./client.ts";

/** Columns of audit_log; the view admin_audit_logs shows some of them under other names. */
export const projectedColumns = unnest({
  index: "bigint",
  event_id: "text",
  tenant_id: "uuid",
  tenant_key: "text",
  occurred_at: "timestamp",
  recorded_at: "timestamp",
  source_topic: "text",
  source_partition: "integer",
  source_offset: "bigint",
  emitter: "text",
  emitter_seq: "bigint",
  action: "text",
  actor_type: "text",
  actor_id: "text",
  actor_ref: "uuid",
  impersonator_ref: "uuid",
  subject_ref: "uuid",
  impersonated_ref: "uuid",
  is_impersonation: "boolean",
  user_agent: "text",
  payload: "json",
});
export type ProjectedRow = RowOf<typeof projectedColumns>;

/** What an erasure leaves of a value that was taken from a box. */
export const ERASED = "erased";
/** What stands for a value that is left in its box. */
export const SEALED = "sealed";

/** A leaf where it stands. */
export interface PlacedLeaf {
  readonly index: number;
  readonly leaf: Leaf;
}

/**
 * Whether the bytes are canonical is for fsck to say: a row is made of what they mean, in a third of the time.
 * Throws: VIG_AUDIT_LEAF_INVALID for what is no leaf of a known version.
 */
export function placedLeaf(row: { readonly index: number; readonly leaf: Buffer }): PlacedLeaf {
  const { index } = row;
  try {
    const leaf = JSON.parse(row.leaf.toString()) as Leaf;
    if (leaf.v === 1) return { index, leaf };
  } catch (cause) {
    throw new VigError("VIG_AUDIT_LEAF_INVALID", { why: `leaf ${index} is no JSON` }, { cause });
  }
  throw new VigError("VIG_AUDIT_LEAF_INVALID", { why: `leaf ${index} is of an unknown version` });
}

/** Whether admin_audit_logs shows it: its view in migrations/003_projections.sql asks the same. */
const isAdmins = ({ actor, is_impersonation }: Leaf): boolean =>
  actor.type === "ADMIN" || is_impersonation;

/** Of a leaf all that its row needs opened: the box of an administrator. */
export function leafToOpen({ leaf }: PlacedLeaf): Leaf {
  const { payload: _, payload_aside: __, ...rest } = leaf;
  const { actor } = leaf;
  const ref = isAdmins(leaf) && "ref" in actor ? actor.ref : null;
  return { ...rest, boxes: leaf.boxes.filter((box) => box.ref === ref) };
}

type OpenedBoxes = OpenedLeaf["boxes"];

/**
 * CNF-20: persons by their pseudonym, of an administrator's box only the kind of client, the payload only where the
 * leaf has it in clear. A function of the leaf and of what can be opened of it, so that a rebuild gives the same row.
 */
export function projectedRow({ index, leaf }: PlacedLeaf, opened: OpenedBoxes): ProjectedRow {
  const { actor, source } = leaf;
  return {
    index,
    event_id: leaf.id,
    tenant_id: tenantUuid(leaf.tenant),
    tenant_key: leaf.tenant,
    occurred_at: timestampOf(leaf.at),
    recorded_at: timestampOf(leaf.recorded_at),
    source_topic: source.topic,
    source_partition: source.partition,
    source_offset: source.offset,
    emitter: leaf.emitter,
    emitter_seq: leaf.seq,
    action: leaf.action,
    actor_type: actor.type,
    actor_id: "id" in actor ? actor.id : null,
    actor_ref: "ref" in actor ? actor.ref : null,
    impersonator_ref: leaf.impersonator,
    subject_ref: leaf.subject,
    impersonated_ref: leaf.impersonated,
    is_impersonation: leaf.is_impersonation,
    user_agent: isAdmins(leaf) ? userAgentOf(leaf, opened) : SEALED,
    payload: leaf.payload === undefined ? null : JSON.stringify(leaf.payload),
  };
}

/** AUD-11. An actor without a box gave no user agent; one whose box does not open is erased. */
function userAgentOf({ actor, boxes }: Leaf, opened: OpenedBoxes): string {
  const box = boxes.find(({ ref }) => "ref" in actor && ref === actor.ref);
  if (box === undefined) return clientOf(null);
  const plaintext = opened[box.ref];
  if (plaintext === undefined) return ERASED;
  const { fields } = JSON.parse(plaintext) as { readonly fields: BoxFields };
  const { user_agent } = fields;
  return clientOf(typeof user_agent === "string" ? user_agent : null);
}

/** PostgreSQL holds the years 1..9999 in every form; what was said stays in the leaf. */
const EARLIEST_MS = Date.parse("0001-01-01T00:00:00.000Z");
const LATEST_MS = Date.parse("9999-12-31T23:59:59.999Z");

const timestampOf = (ms: number): string =>
  new Date(Math.min(LATEST_MS, Math.max(EARLIEST_MS, ms))).toISOString();
