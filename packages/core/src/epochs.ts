import { SECOND_MS } from "./time.ts";

/** What an epoch covers. */
export type EpochScope = "TENANT" | "ORG" | "ROLE" | "CHANNEL";

/** Every session of the scope that began at or before `notBeforeMs` is revoked. Source: DESIGN, Sessions, Epochs. */
export interface Epoch {
  readonly id: string;
  readonly tenantId: string;
  readonly scope: EpochScope;
  /** Organisation, role or channel; null for the tenant. */
  readonly value: string | null;
  /** Broker time of the decision. */
  readonly notBeforeMs: number;
}

/** A session as far as epochs ask for it. */
export interface EpochSubject {
  readonly tenantId: string;
  readonly orgId: string | null;
  readonly roles: readonly string[];
  readonly channel: string;
  /** The earlier of what the event says and when it was appended; null: not known, older than every epoch. */
  readonly startedAtMs: number | null;
}

/** A session that began while the epoch was on its way is revoked too. Source: DESIGN, Sessions, Epochs. */
const SLACK_MS = 5 * SECOND_MS;

/** Whether an epoch revokes a session. */
export function epochCovers(epoch: Epoch, session: EpochSubject): boolean {
  if (epoch.tenantId !== session.tenantId || !isOfScope(epoch, session)) return false;
  return session.startedAtMs === null || session.startedAtMs <= epoch.notBeforeMs + SLACK_MS;
}

function isOfScope({ scope, value }: Epoch, session: EpochSubject): boolean {
  switch (scope) {
    case "TENANT":
      return true;
    case "ORG":
      return value !== null && value === session.orgId;
    case "ROLE":
      return value !== null && session.roles.includes(value);
    case "CHANNEL":
      return value === session.channel;
  }
}

/** Key of an epoch, as on its topic. */
export const epochKey = ({ tenantId, scope, value }: Omit<Epoch, "id" | "notBeforeMs">): string =>
  `${tenantId}|${scope}|${value ?? ""}`;

/** Keys of the epochs that could revoke a session. */
export function* epochKeysOf(session: EpochSubject): Iterable<string> {
  const { tenantId, orgId, roles, channel } = session;
  yield epochKey({ tenantId, scope: "TENANT", value: null });
  yield epochKey({ tenantId, scope: "CHANNEL", value: channel });
  if (orgId !== null) yield epochKey({ tenantId, scope: "ORG", value: orgId });
  for (const role of roles) yield epochKey({ tenantId, scope: "ROLE", value: role });
}
