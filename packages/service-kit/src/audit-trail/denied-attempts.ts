import { type Clock, MINUTE_MS } from "@vigie/core/time";
import type { RefusedAttempt } from "./audit-trail.ts";
import { impersonationOf } from "./impersonation.ts";

/** What one client was refused, gathered. */
export interface DeniedSummary {
  /** The newest of them speaks for all. */
  readonly attempt: RefusedAttempt;
  readonly payload: {
    readonly count: number;
    readonly first_at: number;
    readonly last_at: number;
    /** Method, route and fault, with how often. */
    readonly attempts: Readonly<Record<string, number>>;
  };
}

export interface DeniedAttemptsOptions {
  readonly clock: Clock;
  write(summary: DeniedSummary): void;
  /** A client too many was refused: its attempt is counted, not gathered. */
  overflowed(): void;
}

interface Gathered {
  readonly key: string;
  readonly timer: NodeJS.Timeout;
  attempt: RefusedAttempt;
  firstAtMs: number;
  lastAtMs: number;
  attempts: Map<string, number>;
}

/** Source: each holds one request; a client needs a token of the issuer to be one. */
const CLIENTS_MAX = 10_000;
/** Different attempts that one record names; the rest are counted as "other". */
const ATTEMPTS_MAX = 20;
const OTHER = "other";

/**
 * Gathers refused attempts to one record a minute and client: the first is written at once, what follows within
 * the minute when it is over.
 */
export class DeniedAttempts {
  private readonly options: DeniedAttemptsOptions;
  private readonly clients = new Map<string, Gathered>();

  constructor(options: DeniedAttemptsOptions) {
    this.options = options;
  }

  add(attempt: RefusedAttempt): void {
    const key = clientOf(attempt);
    const nowMs = this.options.clock();
    const known = this.clients.get(key);
    if (known !== undefined) {
      gather(known, attempt, nowMs);
    } else if (this.clients.size >= CLIENTS_MAX) {
      this.options.overflowed();
    } else {
      const gathered = this.open(key, attempt);
      gather(gathered, attempt, nowMs);
      this.flush(gathered);
    }
  }

  /** Writes what was gathered so far; nothing is gathered after. */
  close(): void {
    for (const gathered of this.clients.values()) {
      clearTimeout(gathered.timer);
      this.flush(gathered);
    }
    this.clients.clear();
  }

  private open(key: string, attempt: RefusedAttempt): Gathered {
    const timer = setTimeout(() => this.minuteIsOver(key), MINUTE_MS);
    timer.unref();
    const gathered = { key, timer, attempt, firstAtMs: 0, lastAtMs: 0, attempts: new Map() };
    this.clients.set(key, gathered);
    return gathered;
  }

  /** The next minute begins only if this one had something to tell. */
  private minuteIsOver(key: string): void {
    const gathered = this.clients.get(key);
    if (gathered === undefined) return;
    this.clients.delete(key);
    if (gathered.attempts.size === 0) return;
    this.open(key, gathered.attempt);
    this.flush(gathered);
  }

  private flush(gathered: Gathered): void {
    const { attempt, attempts, firstAtMs, lastAtMs } = gathered;
    if (attempts.size === 0) return;
    const count = [...attempts.values()].reduce((sum, each) => sum + each, 0);
    const payload = {
      count,
      first_at: firstAtMs,
      last_at: lastAtMs,
      attempts: Object.fromEntries(attempts),
    };
    gathered.attempts = new Map();
    this.options.write({ attempt, payload });
  }
}

/** AUD-12: what an impersonator is refused is not the user's own attempt, nor that of another one. */
function clientOf({ caller, request }: RefusedAttempt): string {
  const behind = impersonationOf(caller, request);
  if (behind === null) return caller.limitKey;
  return `${caller.limitKey}|${behind.impersonatorId}|${behind.impersonatedId}`;
}

function gather(gathered: Gathered, attempt: RefusedAttempt, nowMs: number): void {
  const { attempts } = gathered;
  if (attempts.size === 0) gathered.firstAtMs = nowMs;
  gathered.lastAtMs = nowMs;
  gathered.attempt = attempt;
  const named = nameOf(attempt);
  const name = attempts.has(named) || attempts.size < ATTEMPTS_MAX ? named : OTHER;
  attempts.set(name, (attempts.get(name) ?? 0) + 1);
}

/** The pattern of the route: what was put into the path is the client's own text. */
function nameOf({ request, payload }: RefusedAttempt): string {
  const { method, routeOptions } = request;
  return `${method} ${routeOptions.url ?? "unknown"} ${String(payload.fault ?? "")}`.trimEnd();
}
