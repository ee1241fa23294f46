import type { EpochScope } from "@vigie/core/epochs";
import { VigError } from "@vigie/core/errors";
import type { Channel } from "@vigie/schemas/types";
import type { Target } from "./command.ts";

/** REV-03: which sessions an administrator means; all that is given must hold. Ids as given. */
export interface Filter {
  /** Needed for a whole tenant, or for another than the caller's own. */
  readonly tenantId?: string;
  readonly userId?: string;
  readonly sessionId?: string;
  readonly deviceId?: string;
  readonly channel?: Channel;
  readonly orgId?: string;
  readonly role?: string;
  /** ISO 3166-1 alpha-2. */
  readonly country?: string;
}

type Field = Exclude<keyof Filter, "tenantId">;

/** How a filter is acted on. */
export type Plan =
  /** One user, by a single command. */
  | { readonly kind: "user"; readonly userId: string; readonly target: Target }
  /** One record that says since when sessions count. */
  | { readonly kind: "epoch"; readonly scope: EpochScope; readonly value: string | null }
  /** The sessions that match are looked up, and each gets a command. */
  | { readonly kind: "search" };

const FIELDS = [
  "userId",
  "sessionId",
  "deviceId",
  "channel",
  "orgId",
  "role",
  "country",
] as const satisfies readonly Field[];

/**
 * What a single command, or a single epoch, says exactly is said so; anything else is looked up, so that nobody is
 * signed out whom the filter does not mean.
 * Throws: VIG_BODY_INVALID for a filter that names nothing.
 */
export function planOf(filter: Filter, keepSessionId: string | null): Plan {
  const given = FIELDS.filter((field) => filter[field] !== undefined);
  const { userId, orgId, role, channel } = filter;
  if (userId !== undefined) {
    const target = targetOf(filter, given, keepSessionId);
    if (target !== null) return { kind: "user", userId, target };
  }
  if (given.length > 1) return { kind: "search" };
  if (orgId !== undefined) return { kind: "epoch", scope: "ORG", value: orgId };
  if (role !== undefined) return { kind: "epoch", scope: "ROLE", value: role };
  if (channel !== undefined) return { kind: "epoch", scope: "CHANNEL", value: channel };
  if (given.length === 1) return { kind: "search" };
  if (filter.tenantId !== undefined) return { kind: "epoch", scope: "TENANT", value: null };
  const why = "names nothing; a whole tenant is named by its tenant_id";
  throw new VigError("VIG_BODY_INVALID", { path: "filter", why });
}

/** Which of a user's sessions are meant, if one command can say it. */
function targetOf(
  { sessionId, deviceId, channel }: Filter,
  given: readonly Field[],
  keepSessionId: string | null,
): Target | null {
  if (given.length === 1) return { kind: "all", keepSessionId };
  if (given.length > 2) return null;
  if (sessionId !== undefined) return { kind: "session", sessionId };
  if (deviceId !== undefined) return { kind: "device", deviceId };
  return channel === undefined ? null : { kind: "channel", channel };
}
