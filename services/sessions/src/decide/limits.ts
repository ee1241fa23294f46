import { type PolicyDocument, policyFor, ruleSwitch } from "@vigie/core/policy";
import { HOUR_MS } from "@vigie/core/time";
import type { Draft } from "../draft.ts";
import { sessionLimit } from "../revocations.ts";
import type { Session } from "../state.ts";
import { endRunOut } from "./time.ts";

/** The event or command that a step took; null: only time passed. */
interface Cause {
  readonly eventId: string;
  readonly atMs: number;
}

/** So many sessions at once, of one channel or of all; 0 is no limit. */
interface Limit {
  readonly of: string;
  readonly count: number;
}

const ALL = "ALL";

/** An attack may sign in hundreds of times; it is told of once in this time. */
const EXCESS_TOLD_EVERY_MS = HOUR_MS;

/**
 * POL-10, CNF-14: whatever a step brought, no more sessions live after it than the policy allows, or somebody is told.
 * Those that began last stay, whatever the order in which their logins came in.
 * `isAhead`: events of before may be unread, so nobody can say who has run out. Such a step begins no session: what is
 * too many now was so before, and the next step that is not ahead deals with it.
 */
export function keepWithinLimits(draft: Draft, cause: Cause | null, isAhead: boolean): void {
  const policy = limitsOf(draft);
  const limits = listed(policy);
  // What is over is no session too many; only a wake-up puts it on record otherwise.
  if (firstExceeded(draft, limits) !== null) {
    if (isAhead) return;
    endRunOut(draft);
  }
  const exceeded = firstExceeded(draft, limits);
  if (exceeded === null) {
    calmDown(draft, policy);
    return;
  }
  tell(draft, exceeded, policy, cause);
  if (policy.on_excess === "alarm") return;
  for (const limit of limits) {
    for (const session of beyond(draft, limit)) draft.revoke(session, sessionLimit);
  }
}

type LimitPolicy = PolicyDocument["max_concurrent_sessions"];

/** A person with several roles has the strictest of their limits. */
function limitsOf({ state, setting }: Draft): LimitPolicy {
  const roles = state.live.flatMap((session) => session.roles);
  return policyFor(setting.policy.document, { channel: ALL, roles }).max_concurrent_sessions;
}

const listed = ({ count, per_channel }: LimitPolicy): readonly Limit[] => [
  ...Object.entries(per_channel).map(([channel, own]) => ({ of: channel, count: own })),
  { of: ALL, count },
];

const counted = ({ state }: Draft, { of }: Limit): readonly Session[] =>
  of === ALL ? state.live : state.live.filter(({ channel }) => channel === of);

/** The sessions beyond a limit, oldest first; of two that began at once, the one that came in first. */
function beyond(draft: Draft, limit: Limit): readonly Session[] {
  const sessions = counted(draft, limit);
  if (limit.count === 0 || sessions.length <= limit.count) return [];
  return sessions
    .toSorted((a, b) => a.createdAtMs - b.createdAtMs)
    .slice(0, sessions.length - limit.count);
}

const firstExceeded = (draft: Draft, limits: readonly Limit[]): Limit | null =>
  limits.find((limit) => limit.count > 0 && counted(draft, limit).length > limit.count) ?? null;

/** An alarm is over when the excess is; where the excess is ended at once, after its time. */
function calmDown(draft: Draft, { on_excess }: LimitPolicy): void {
  const { excessToldAtMs } = draft.state;
  if (excessToldAtMs === 0) return;
  if (on_excess === "alarm" || isOld(draft, excessToldAtMs)) draft.apply({ type: "excess_over" });
}

const isOld = ({ setting }: Draft, toldAtMs: number): boolean =>
  setting.nowMs - toldAtMs >= EXCESS_TOLD_EVERY_MS;

const kind = "concurrent_sessions";

/** ANO-14: once an excess, and again after an hour if logins go on. */
function tell(draft: Draft, limit: Limit, policy: LimitPolicy, cause: Cause | null): void {
  const { state, setting, changes } = draft;
  const begun = changes.find((change) => change.type === "began")?.session ?? null;
  const { excessToldAtMs } = state;
  const isNews = excessToldAtMs === 0 || (begun !== null && isOld(draft, excessToldAtMs));
  if (!isNews) return;
  const sessions = counted(draft, limit);
  const session =
    begun ?? sessions.reduce((one, other) => (other.createdAtMs > one.createdAtMs ? other : one));
  if (ruleSwitch(setting.policy.document, kind, session).mode === "OFF") return;
  const whose = limit.of === ALL ? "" : ` on channel ${limit.of}`;
  draft.apply({
    type: "found",
    atMs: setting.nowMs,
    finding: {
      kind,
      sessionId: session.id,
      scope: { channel: session.channel, roles: session.roles },
      occurredAtMs: cause?.atMs ?? setting.nowMs,
      causes: cause === null ? [] : [cause.eventId],
      evidence: {
        sessions: String(sessions.length),
        limit: String(limit.count),
        of: limit.of,
        on_excess: policy.on_excess,
      },
      explanation:
        `${sessions.length} sessions of the user lived at once${whose}; ` +
        `with at most ${limit.count} it would not have fired.`,
    },
  });
}
