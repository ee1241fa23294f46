import {
  defaultPolicy,
  overlayPolicy,
  type PolicyOverlay,
  parsePolicy,
  type VersionedPolicy,
} from "@vigie/core/policy";
import type { SessionPolicy } from "@vigie/schemas/types";

/** Key of the policy that all tenants start from. */
const DEFAULT_TENANT_KEY = "*";
/** Tenants whose policy is kept laid out; the others are laid out again at their next record. */
const RESOLVED_MAX = 10_000;

type Lookup = (tenantKey: string) => SessionPolicy | undefined;

interface Resolved {
  readonly base: SessionPolicy | undefined;
  readonly own: SessionPolicy | undefined;
  readonly policy: VersionedPolicy;
}

/** The last valid document of a key. */
interface LastGood {
  readonly seen: SessionPolicy;
  readonly version: number;
  readonly overlay: PolicyOverlay;
}

const none: Pick<LastGood, "version" | "overlay"> = { version: 0, overlay: {} };

/**
 * The policy of a tenant: its document over that of "*" over the built-in default. A document that is not valid is
 * told of once, and the last good one of that key stays in force.
 */
export function createPolicies(
  refused: (tenantId: string, faults: readonly string[]) => void,
): (tenantId: string, lookup: Lookup) => VersionedPolicy {
  const resolved = new Map<string, Resolved>();
  const lastGood = new Map<string, LastGood>();
  const good = (key: string, record: SessionPolicy | undefined): typeof none => {
    if (record === undefined) return none;
    const last = lastGood.get(key);
    if (last?.seen === record) return last;
    const { overlay, faults } = parsePolicy(record.document);
    if (faults !== undefined) refused(key, faults);
    const next =
      faults === undefined
        ? { seen: record, version: record.version, overlay }
        : { ...(last ?? none), seen: record };
    if (lastGood.size >= RESOLVED_MAX) lastGood.clear();
    lastGood.set(key, next);
    return next;
  };
  return (tenantId, lookup) => {
    const base = lookup(DEFAULT_TENANT_KEY);
    const own = lookup(tenantId);
    const known = resolved.get(tenantId);
    if (known !== undefined && known.base === base && known.own === own) return known.policy;
    if (resolved.size >= RESOLVED_MAX) resolved.clear();
    const common = good(DEFAULT_TENANT_KEY, base);
    const special = good(tenantId, own);
    const policy = {
      version: special.version || common.version,
      document: overlayPolicy(overlayPolicy(defaultPolicy, common.overlay), special.overlay),
    };
    resolved.set(tenantId, { base, own, policy });
    return policy;
  };
}
