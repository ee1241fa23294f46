import { murmur2 } from "./keys.ts";
import type { RuleMode, RuleSwitch } from "./policy.ts";

/** Whom a share is drawn of. */
export interface ShareUser {
  readonly tenantId: string;
  readonly userId: string;
}

/** Steps of a percent that a share may be cut to. */
const BUCKETS = 10_000;
const utf8 = new TextEncoder();

/**
 * Whether a user is among the share of a tenant's users that has `what`. The same in every process, replay and
 * version; whoever is in a share is also in every greater one.
 * Shape: `share` in percent, 0..100. `what` keeps the shares of different things apart.
 */
export function isInShare(share: number, { tenantId, userId }: ShareUser, what: string): boolean {
  if (share >= 100) return true;
  const hash = murmur2(utf8.encode(`${tenantId}|${userId}|${what}`)) >>> 0;
  return hash % BUCKETS < (share / 100) * BUCKETS;
}

const milder: Readonly<Record<RuleMode, RuleMode>> = {
  ENFORCE: "SHADOW",
  SHADOW: "OFF",
  OFF: "OFF",
};

/** The mode of a rule for one user: the switch's, or the rule's own; one notch milder outside the switch's share. */
export function modeFor(
  own: RuleSwitch | undefined,
  kind: string,
  user: ShareUser,
  byDefault: RuleMode = "ENFORCE",
): RuleMode {
  const mode = own?.mode ?? byDefault;
  const share = own?.share;
  return share === undefined || isInShare(share, user, kind) ? mode : milder[mode];
}
