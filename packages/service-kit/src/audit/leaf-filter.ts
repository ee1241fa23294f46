import type { Leaf } from "@vigie/audit-log/leaf";

/** Which leaves of a log are meant: all that is given must hold. Source: docs/audit-format.md, A filtered export. */
export interface LeafFilter {
  /** As in tokens. */
  readonly tenant?: string;
  readonly action?: string;
  /** Who acted, also as somebody else: a person by ref, a service or policy by its id. */
  readonly actor?: string;
  /** ref of whom it is about, or who was impersonated. */
  readonly subject?: string;
  readonly impersonation?: boolean;
  /** ms since the epoch, at the source. */
  readonly from?: number;
  /** Exclusive. */
  readonly to?: number;
}

/** Its leaf explains boxes that nobody can open any more. */
export const KEY_DESTROYED = "subject.key_destroyed";

export const isAll = (filter: LeafFilter): boolean =>
  Object.values(filter).every((value) => value === undefined);

/** Whether all of a filter holds of a leaf. */
export function meets(leaf: Leaf, filter: LeafFilter): boolean {
  const { tenant, action, actor, subject, impersonation, from, to } = filter;
  return (
    (tenant === undefined || leaf.tenant === tenant) &&
    (action === undefined || leaf.action === action) &&
    (actor === undefined || actorsOf(leaf).includes(actor)) &&
    (subject === undefined || subject === leaf.subject || subject === leaf.impersonated) &&
    (impersonation === undefined || leaf.is_impersonation === impersonation) &&
    (from === undefined || leaf.at >= from) &&
    (to === undefined || leaf.at < to)
  );
}

/**
 * Whether a leaf is exported. That a person's key was destroyed passes every filter but that of the tenant: without
 * it an export could not tell an erased box from a withheld one.
 */
export const passes = (leaf: Leaf, { tenant, ...rest }: LeafFilter): boolean =>
  (tenant === undefined || leaf.tenant === tenant) &&
  (leaf.action === KEY_DESTROYED || meets(leaf, rest));

const actorsOf = ({ actor, impersonator }: Leaf): readonly (string | null)[] => [
  "ref" in actor ? actor.ref : actor.id,
  impersonator,
];
