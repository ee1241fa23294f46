import { assert } from "@vigie/core/assert";
import { FAILURE_COUNT_MAX, type PolicyDocument } from "@vigie/core/policy";
import { HOUR_MS, SECOND_MS } from "@vigie/core/time";
import { type Burst, counted, noBurst, readBurst, writeBurst } from "#state/burst";
import {
  type EnrichedEvent,
  type Finding,
  idText,
  quiet,
  type Rule,
  type RuleMeta,
  type Step,
} from "./rule.ts";

export const meta: RuleMeta = {
  name: "bruteforce",
  part: 11,
  version: "2",
  events: ["mfa_failure", "login_failure"],
  severity: "HIGH",
  riskScore: 80,
  settings: ["max_failed_mfa_hour", "max_failed_login_hour"],
};

/** Failures of the second factor and of the login are counted apart. */
export interface Tries {
  readonly mfa: Burst;
  readonly login: Burst;
}

/** ANO-07: "per hour"; newest - oldest must be below it. */
export const WINDOW_MS = HOUR_MS;
const FAILURES_MAX = FAILURE_COUNT_MAX + 1;

export function step(tries: Tries, event: EnrichedEvent, policy: PolicyDocument): Step<Tries> {
  const of = event.kind === "mfa_failure" ? "mfa" : "login";
  const { count: allowed } =
    of === "mfa" ? policy.max_failed_mfa_hour : policy.max_failed_login_hour;
  const limit = { count: allowed + 1, windowMs: WINDOW_MS, kept: FAILURES_MAX };
  const { burst, alert } = counted(tries[of], event, limit);
  if (burst === tries[of]) return quiet(tries);
  const findings = alert === null ? [] : [finding(alert, event, { of, limit: allowed })];
  return { state: { ...tries, [of]: burst }, findings };
}

interface Counting {
  readonly of: "mfa" | "login";
  readonly limit: number;
}

const nouns = { mfa: "second-factor failures", login: "failed logins" } as const;

function finding(window: Burst, event: EnrichedEvent, { of, limit }: Counting): Finding {
  const [oldest, newest] = [window[0], window.at(-1)];
  assert(oldest !== undefined && newest !== undefined, "a window that fires is not empty");
  // Cut, not rounded: 3,599.9 s are not the window that would have been too long.
  const elapsedS = String(Math.floor((newest.atMs - oldest.atMs) / SECOND_MS));
  return {
    sessionId: event.sessionId,
    occurredAtMs: newest.atMs,
    causes: window.map(({ eventId }) => idText(eventId)),
    identity: [of, idText(oldest.eventId)],
    evidence: {
      of,
      failures: String(window.length),
      elapsed_s: elapsedS,
      window_s: String(WINDOW_MS / SECOND_MS),
      limit: String(limit),
    },
    explanation:
      `${window.length} ${nouns[of]} came within ${elapsedS} s; with at most ${limit} of them, or ` +
      `${WINDOW_MS / SECOND_MS} s or more from the first to the last, it would not have fired.`,
  };
}

export const bruteforce: Rule<Tries> = {
  meta,
  initial: { mfa: noBurst, login: noBurst },
  step,
  write(writer, { mfa, login }) {
    writeBurst(writer, mfa);
    writeBurst(writer, login);
  },
  read: (reader) => ({ mfa: readBurst(reader), login: readBurst(reader) }),
};
