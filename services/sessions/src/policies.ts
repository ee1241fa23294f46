import {
  defaultPolicy,
  overlayPolicy,
  type PolicyDocument,
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

/**
 * The policy of a tenant: its document over that of "*" over the built-in default. A document that is not valid
 * counts as empty: whoever wrote it should have been refused, and sessions need some policy.
 */
export function createPolicies(): (tenantId: string, lookup: Lookup) => VersionedPolicy {
  const resolved = new Map<string, Resolved>();
  return (tenantId, lookup) => {
    const base = lookup(DEFAULT_TENANT_KEY);
    const own = lookup(tenantId);
    const known = resolved.get(tenantId);
    if (known !== undefined && known.base === base && known.own === own) return known.policy;
    if (resolved.size >= RESOLVED_MAX) resolved.clear();
    const policy = { version: (own ?? base)?.version ?? 0, document: documentOf(base, own) };
    resolved.set(tenantId, { base, own, policy });
    return policy;
  };
}

function documentOf(
  base: SessionPolicy | undefined,
  own: SessionPolicy | undefined,
): PolicyDocument {
  return overlayPolicy(overlayPolicy(defaultPolicy, overlayOf(base)), overlayOf(own));
}

const overlayOf = (policy: SessionPolicy | undefined): PolicyOverlay =>
  (policy === undefined ? undefined : parsePolicy(policy.document).overlay) ?? {};
