import type { PolicyDocument } from "@vigie/core/policy";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "@vigie/core/time";
import { type Finding, idText, quiet, type RuleMeta, type Step } from "#rules/rule";
import type { Id } from "#state/id";
import type { Try } from "./try.ts";

export const meta: RuleMeta = {
  name: "credential_spray",
  // Kept by address, in states of their own: of a user's state it has no part.
  part: 40,
  version: "1",
  severity: "HIGH",
  riskScore: 80,
  events: ["login_failure", "login_success"],
};

/** That a user was seen at the address; of each user the newest. Forgotten at a whole minute, by the wall clock. */
interface Sighting {
  /** `userHash`. */
  readonly user: number;
  readonly atMs: number;
  readonly forgetMin: number;
}

export interface Failure extends Sighting {
  readonly eventId: Id;
}

export interface Success extends Sighting {
  /** `fromMs` of the alert that this user was last named for; 0: none. */
  readonly namedForMs: number;
}

/** A window that was told of. */
export interface Alert {
  /** Its oldest failure. */
  readonly fromMs: number;
  readonly firstId: Id;
  /** Its newest failure: who is let in later is suspect. */
  readonly atMs: number;
  readonly users: number;
  readonly forgetMin: number;
}

/** What is known of one address, each list sorted by event time. */
export interface AddressTries {
  readonly failures: readonly Failure[];
  readonly successes: readonly Success[];
  readonly alerts: readonly Alert[];
}

export const nothingKnown: AddressTries = { failures: [], successes: [], alerts: [] };

/**
 * Users of each list; the state of an address stays under 8 KiB. An address at which so many succeed is a carrier's:
 * with as many failing it is not told from an attacked one, and stays quiet.
 */
export const USERS_MAX = 100;
/** With the longest memory (2 h) and the default window there are 6. */
const ALERTS_MAX = 8;
const CAUSES_MAX = 40;
/**
 * Failures of one window may reach us so far apart. Longer than a phone's application keeps a login to itself; short,
 * since until then the address remembers whom they were for.
 */
export const LATENESS_MS = HOUR_MS;

export const windowOf = ({ credential_spray }: PolicyDocument): number =>
  credential_spray.window_minutes * MINUTE_MS;

/** A finding on a failure is about the address; one on a success about the user who was let in. */
export function step(
  before: AddressTries,
  tried: Try,
  policy: PolicyDocument,
  arrivedMs: number,
): Step<AddressTries> {
  const forgetMin = Math.ceil((arrivedMs + windowOf(policy) + LATENESS_MS) / MINUTE_MS);
  const known = forget(before, arrivedMs);
  return tried.letIn === null
    ? failed(known, { ...tried, forgetMin }, policy)
    : letIn(known, { ...tried, forgetMin }, policy);
}

/** Without what is forgotten by now; the same when nothing is. */
export function forget(tries: AddressTries, nowMs: number): AddressTries {
  if (forgetAtMs(tries) > nowMs) return tries;
  const kept = <T extends { readonly forgetMin: number }>(list: readonly T[]): readonly T[] =>
    list.filter(({ forgetMin }) => forgetMin * MINUTE_MS > nowMs);
  return {
    failures: kept(tries.failures),
    successes: kept(tries.successes),
    alerts: kept(tries.alerts),
  };
}

/** When something is next to be forgotten; infinite when nothing is known. */
export function forgetAtMs({ failures, successes, alerts }: AddressTries): number {
  let first = Number.POSITIVE_INFINITY;
  for (const { forgetMin } of failures) first = Math.min(first, forgetMin);
  for (const { forgetMin } of successes) first = Math.min(first, forgetMin);
  for (const { forgetMin } of alerts) first = Math.min(first, forgetMin);
  return first * MINUTE_MS;
}

type Arrived = Try & { readonly forgetMin: number };

function failed(tries: AddressTries, tried: Arrived, policy: PolicyDocument): Step<AddressTries> {
  const { user, atMs, eventId, forgetMin } = tried;
  const windowMs = windowOf(policy);
  const isTold = ({ fromMs }: Alert): boolean => atMs >= fromMs && atMs < fromMs + windowMs;
  // One alert a window, however many failures are still to come in it.
  if (tries.alerts.some(isTold)) return quiet(tries);
  const failures = withNewest(tries.failures, { user, atMs, eventId, forgetMin });
  if (failures === tries.failures) return quiet(tries);
  const window = attackedWindow(failures, tries.successes, atMs, policy);
  if (window === null) return quiet({ ...tries, failures });

  const { fromMs, found, succeeded } = window;
  const [oldest, newest] = [found[0] as Failure, found.at(-1) as Failure];
  const alert: Alert = {
    fromMs,
    firstId: oldest.eventId,
    atMs: newest.atMs,
    users: found.length,
    forgetMin,
  };
  return {
    state: {
      failures: failures.filter((each) => each.atMs < fromMs || each.atMs >= fromMs + windowMs),
      successes: tries.successes,
      alerts: [...tries.alerts, alert].sort((a, b) => a.fromMs - b.fromMs).slice(-ALERTS_MAX),
    },
    findings: [onAddress(found, succeeded, policy)],
  };
}

interface Window {
  readonly fromMs: number;
  readonly found: readonly Failure[];
  readonly succeeded: number;
}

/** The first window around `atMs` in which enough users fail, and more than succeed; null: none. */
function attackedWindow(
  failures: readonly Failure[],
  successes: readonly Success[],
  atMs: number,
  policy: PolicyDocument,
): Window | null {
  const windowMs = windowOf(policy);
  const { user_count } = policy.credential_spray;
  for (let i = firstFrom(failures, atMs - windowMs + 1); i < failures.length; i++) {
    const fromMs = (failures[i] as Failure).atMs;
    if (fromMs > atMs) return null;
    const end = firstFrom(failures, fromMs + windowMs);
    if (end - i < user_count) continue;
    const succeeded = firstFrom(successes, fromMs + windowMs) - firstFrom(successes, fromMs);
    if (end - i > succeeded) return { fromMs, found: failures.slice(i, end), succeeded };
  }
  return null;
}

/** How many of a sorted list lie before `fromMs`. */
function firstFrom(list: readonly Sighting[], fromMs: number): number {
  let low = 0;
  for (let high = list.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if ((list[middle] as Sighting).atMs < fromMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The list with this sighting in place of the user's older one; the same list when it is not newer. */
function withNewest<T extends Sighting>(list: readonly T[], sighting: T): readonly T[] {
  const { user, atMs } = sighting;
  const before = list.find((each) => each.user === user);
  if (before !== undefined && before.atMs >= atMs) return list;
  const next = before === undefined ? list.slice() : list.filter((each) => each !== before);
  next.splice(firstFrom(next, atMs + 1), 0, sighting);
  if (next.length > USERS_MAX) next.shift();
  return next;
}

function letIn(tries: AddressTries, tried: Arrived, policy: PolicyDocument): Step<AddressTries> {
  const { user, atMs, forgetMin } = tried;
  const windowMs = windowOf(policy);
  const before = tries.successes.find((each) => each.user === user);
  const alert = tries.alerts.findLast((each) => atMs >= each.atMs && atMs < each.atMs + windowMs);
  const isNews = alert !== undefined && before?.namedForMs !== alert.fromMs;
  const namedForMs = isNews ? alert.fromMs : (before?.namedForMs ?? 0);
  const others = isNews ? tries.successes.filter((each) => each !== before) : tries.successes;
  const newestMs = Math.max(atMs, before?.atMs ?? 0);
  const all = withNewest(others, { user, atMs: newestMs, forgetMin, namedForMs });
  if (all === tries.successes) return quiet(tries);
  // A backlog brings days within minutes, and each login from here rewrites what is kept.
  const fromMs = (all.at(-1) as Success).atMs - windowMs - LATENESS_MS;
  const isKept = (each: Success): boolean => each.atMs >= fromMs || each.namedForMs > 0;
  const successes = all.every(isKept) ? all : all.filter(isKept);
  if (!isNews && newestMs < fromMs) return quiet(tries);
  return {
    state: { ...tries, successes },
    findings: isNews ? [onUser(tried, alert, policy)] : [],
  };
}

const seconds = (ms: number): string => (ms / SECOND_MS).toFixed(0);

function onAddress(found: readonly Failure[], succeeded: number, policy: PolicyDocument): Finding {
  const ids = found.map(({ eventId }) => idText(eventId));
  const [oldest, newest] = [found[0] as Failure, found.at(-1) as Failure];
  const elapsedS = seconds(newest.atMs - oldest.atMs);
  const { user_count } = policy.credential_spray;
  const windowS = seconds(windowOf(policy));
  return {
    sessionId: null,
    occurredAtMs: newest.atMs,
    causes: ids.slice(0, CAUSES_MAX),
    identity: [ids[0] ?? ""],
    evidence: {
      users_failed: String(found.length),
      users_succeeded: String(succeeded),
      elapsed_s: elapsedS,
      window_s: windowS,
      limit: String(user_count),
    },
    explanation:
      `Logins of ${found.length} users failed from one address within ${elapsedS} s, of ${succeeded} succeeded; ` +
      `with fewer than ${user_count} users failing within ${windowS} s, or no more failing than succeeding, it ` +
      "would not have fired.",
  };
}

function onUser({ letIn: who, atMs, eventId }: Try, alert: Alert, policy: PolicyDocument): Finding {
  const sinceS = seconds(atMs - alert.atMs);
  const windowS = seconds(windowOf(policy));
  return {
    sessionId: who?.sessionId ?? null,
    occurredAtMs: atMs,
    causes: [idText(alert.firstId), idText(eventId)],
    identity: [idText(alert.firstId)],
    evidence: { users_failed: String(alert.users), since_s: sinceS, window_s: windowS },
    explanation:
      `The login succeeded ${sinceS} s after logins of ${alert.users} users had failed from the same address; from ` +
      `another address, or ${windowS} s or more after them, it would not have fired.`,
  };
}
