import { assert } from "@vigie/core/assert";
import { FAILURE_COUNT_MAX, type PolicyDocument } from "@vigie/core/policy";
import { HOUR_MS, SECOND_MS } from "@vigie/core/time";
import type { Reader, Writer } from "#state/bytes";
import { type Id, readId, sameId, writeId } from "#state/id";
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
  part: 3,
  version: "1",
  events: ["mfa_failure", "login_failure"],
  severity: "HIGH",
  riskScore: 80,
};

interface Failure {
  readonly atMs: number;
  readonly eventId: Id;
}

/** Failures of one sort, sorted by event time, and the newest one of the last alert. */
export interface Failures {
  readonly alertedMs: number;
  readonly recent: readonly Failure[];
}

/** Failures of the second factor and of the login are counted apart. */
export interface Tries {
  readonly mfa: Failures;
  readonly login: Failures;
}

/** ANO-07: "per hour"; newest - oldest must be below it. */
export const WINDOW_MS = HOUR_MS;
const FAILURES_MAX = FAILURE_COUNT_MAX + 1;
const none: Failures = { alertedMs: 0, recent: [] };

export function step(tries: Tries, event: EnrichedEvent, policy: PolicyDocument): Step<Tries> {
  if (event.kind === "mfa_failure") {
    const next = count(tries.mfa, event, { of: "mfa", limit: policy.max_failed_mfa_hour.count });
    return { state: { ...tries, mfa: next.state }, findings: next.findings };
  }
  if (event.kind === "login_failure") {
    const limit = policy.max_failed_login_hour.count;
    const next = count(tries.login, event, { of: "login", limit });
    return { state: { ...tries, login: next.state }, findings: next.findings };
  }
  return quiet(tries);
}

interface Counting {
  readonly of: "mfa" | "login";
  readonly limit: number;
}

function count(failures: Failures, event: EnrichedEvent, counting: Counting): Step<Failures> {
  const { atMs, id } = event;
  // What an alert has told of is not counted again, however late its last events come.
  if (atMs <= failures.alertedMs) return quiet(failures);
  if (failures.recent.some(({ eventId }) => sameId(eventId, id))) return quiet(failures);
  const recent = failures.recent.slice();
  let at = recent.length;
  while (at > 0 && (recent[at - 1] as Failure).atMs > atMs) at--;
  recent.splice(at, 0, { atMs, eventId: id });
  if (recent.length > FAILURES_MAX) recent.shift();

  const first = firstOfWindow(recent, counting.limit);
  if (first < 0) return quiet({ alertedMs: failures.alertedMs, recent });
  const window = recent.slice(first, first + counting.limit + 1);
  const newest = window.at(-1);
  assert(newest !== undefined, "a window that fires is not empty");
  return {
    state: {
      alertedMs: newest.atMs,
      recent: recent.filter((failure) => failure.atMs > newest.atMs),
    },
    findings: [finding(window, newest, event, counting)],
  };
}

/** Where limit + 1 failures within the window begin, or -1. */
function firstOfWindow(recent: readonly Failure[], limit: number): number {
  for (let i = 0; i + limit < recent.length; i++) {
    const [oldest, newest] = [recent[i], recent[i + limit]];
    if (oldest && newest && newest.atMs - oldest.atMs < WINDOW_MS) return i;
  }
  return -1;
}

const nouns = { mfa: "second-factor failures", login: "failed logins" } as const;

function finding(
  window: readonly Failure[],
  newest: Failure,
  event: EnrichedEvent,
  { of, limit }: Counting,
): Finding {
  const causes = window.map(({ eventId }) => idText(eventId));
  const elapsedS = ((newest.atMs - (window[0]?.atMs ?? 0)) / SECOND_MS).toFixed(0);
  return {
    sessionId: event.sessionId,
    occurredAtMs: newest.atMs,
    causes,
    identity: [of, causes[0] ?? ""],
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

function write(writer: Writer, tries: Tries): void {
  writeFailures(writer, tries.mfa);
  writeFailures(writer, tries.login);
}

function writeFailures(writer: Writer, { alertedMs, recent }: Failures): void {
  writer.varint(alertedMs);
  writer.varint(recent.length);
  let lastMs = 0;
  for (const { atMs, eventId } of recent) {
    writer.signed(atMs - lastMs);
    writeId(writer, eventId);
    lastMs = atMs;
  }
}

const read = (reader: Reader): Tries => ({
  mfa: readFailures(reader),
  login: readFailures(reader),
});

function readFailures(reader: Reader): Failures {
  const alertedMs = reader.varint();
  const recent: Failure[] = [];
  const length = reader.varint();
  let atMs = 0;
  for (let i = 0; i < length; i++) {
    atMs += reader.signed();
    recent.push({ atMs, eventId: readId(reader) });
  }
  return { alertedMs, recent };
}

export const bruteforce: Rule<Tries> = {
  meta,
  initial: { mfa: none, login: none },
  step,
  write,
  read,
};
