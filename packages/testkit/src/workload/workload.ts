import { userKey } from "@vigie/core/keys";
import { HOUR_MS, MINUTE_MS } from "@vigie/core/time";
import type { HeartbeatEvent, LoginEvent, MfaEvent } from "@vigie/schemas/types";
import { createRandom, mix, shuffled, uuidOf } from "./random.ts";
import { type City, cities, type Profile, profiles, sims, timezones } from "./world.ts";

/** Shape: events over spanMs of event time from startMs on; the same options give the same events. */
export interface WorkloadOptions {
  readonly events: number;
  readonly users: number;
  readonly seed: number;
  readonly startMs: number;
  readonly spanMs: number;
}

export type WorkloadEvent =
  | { readonly topic: "id.login"; readonly key: string; readonly value: LoginEvent }
  | { readonly topic: "id.heartbeat"; readonly key: string; readonly value: HeartbeatEvent }
  | { readonly topic: "id.mfa"; readonly key: string; readonly value: MfaEvent };

/** What a chosen user does besides the ordinary, and how many of a thousand users do it. */
const plots = {
  impossible_travel: 2,
  fingerprint_mismatch: 2,
  bruteforce: 1,
  slow_trip: 2,
  browser_upgrade: 5,
  five_failures: 1,
} as const;
type Plot = keyof typeof plots;
/** The plots that must be found; the others are controls that must not. */
export const anomalyKinds = ["impossible_travel", "fingerprint_mismatch", "bruteforce"] as const;

interface User {
  readonly index: number;
  readonly key: string;
  readonly tenantId: string;
  readonly userId: string;
  readonly deviceId: string;
  readonly native: City;
  city: number;
  profile: number;
  version: 0 | 1;
  sessions: number;
  plot: Plot | null;
  busy: boolean;
}

interface Step {
  readonly atMs: number;
  readonly user: User;
  readonly number: number;
}

/** An ordinary passenger flight; below every limit. */
const SLOW_TRIP_KMH = 700;
/** Longer than any distance between two cities of the world table, in km. */
const FAR_KM = 5_200;
const FAILURE_GAP_MS = 4 * MINUTE_MS;

/**
 * Seeded traffic of many users with planted anomalies and controls, oldest event first.
 * Mix: 60 % logins (3 % of them failures), 30 % heartbeats, 10 % MFA.
 */
export class Workload {
  readonly #options: WorkloadOptions;
  readonly #random: () => number;
  readonly #users: User[];
  readonly #due: Step[] = [];
  readonly #planted = new Map<string, string[]>();
  #order: Uint32Array = new Uint32Array();
  #turn = 0;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    this.#random = createRandom(options.seed);
    this.#users = Array.from({ length: options.users }, (_, i) => this.#newUser(i));
    this.#castPlots();
  }

  /** User keys by anomaly kind, each to be found exactly once; complete after the last event. */
  planted(kind: (typeof anomalyKinds)[number]): readonly string[] {
    return this.#planted.get(kind) ?? [];
  }

  *events(): Generator<WorkloadEvent> {
    const { events, startMs, spanMs } = this.#options;
    for (let i = 0; i < events; i++) {
      const atMs = startMs + Math.floor((i * spanMs) / events);
      const step = this.#due[0];
      if (step !== undefined && step.atMs <= atMs) {
        this.#due.shift();
        yield this.#play(step, atMs);
      } else {
        yield this.#ordinary(this.#nextUser(), atMs);
      }
    }
  }

  #newUser(index: number): User {
    const city = pickCity(this.#random() * 100);
    const native = cities[city] as City;
    const tenantId = `molam-${native.country.toLowerCase()}`;
    const userId = `usr_${String(index).padStart(8, "0")}`;
    return {
      index,
      key: userKey(tenantId, userId),
      tenantId,
      userId,
      deviceId: uuidOf(mix(index, 1), mix(index, 2), mix(index, 3), mix(index, 4)),
      native,
      city,
      profile: Math.floor(this.#random() * profiles.length),
      version: 0,
      sessions: 0,
      plot: null,
      busy: false,
    };
  }

  #castPlots(): void {
    const cast = shuffled(this.#users.length, this.#random);
    let next = 0;
    for (const [plot, perMille] of Object.entries(plots)) {
      const count = Math.max(1, Math.round((this.#users.length * perMille) / 1_000));
      for (let i = 0; i < count && next < cast.length; i++) {
        const user = this.#users[cast[next++] as number] as User;
        user.plot = plot as Plot;
      }
    }
  }

  #nextUser(): User {
    for (;;) {
      if (this.#turn >= this.#order.length) {
        this.#order = shuffled(this.#users.length, this.#random);
        this.#turn = 0;
      }
      const user = this.#users[this.#order[this.#turn++] as number] as User;
      if (!user.busy) return user;
    }
  }

  #schedule(user: User, atMs: number, number: number): void {
    const at = this.#due.findIndex((step) => step.atMs > atMs);
    const step = { atMs, user, number };
    if (at < 0) this.#due.push(step);
    else this.#due.splice(at, 0, step);
    user.busy = true;
  }

  /** A user's first ordinary event anchors place and device; the plot goes on from there. */
  #ordinary(user: User, atMs: number): WorkloadEvent {
    const { startMs, spanMs } = this.#options;
    if (user.plot !== null && user.sessions > 0) {
      const waitMs = {
        impossible_travel: 30 * MINUTE_MS,
        slow_trip: (FAR_KM / SLOW_TRIP_KMH) * HOUR_MS,
        fingerprint_mismatch: 10 * MINUTE_MS,
        browser_upgrade: 10 * MINUTE_MS,
        bruteforce: 10 * MINUTE_MS,
        five_failures: 10 * MINUTE_MS,
      }[user.plot];
      if (atMs + waitMs + HOUR_MS < startMs + spanMs) {
        this.#schedule(user, atMs + waitMs, 1);
        return this.#login(user, atMs, true);
      }
    }
    const pick = user.sessions === 0 ? 0 : this.#random();
    if (pick < 0.6) return this.#login(user, atMs, pick >= 0.018 || user.sessions === 0);
    if (pick < 0.9) return this.#heartbeat(user, atMs);
    return this.#mfa(user, atMs, pick < 0.93 ? "CHALLENGE" : "SUCCESS");
  }

  #play({ user, number }: Step, atMs: number): WorkloadEvent {
    const plot = user.plot as Plot;
    if (plot === "bruteforce" || plot === "five_failures") {
      if (number < (plot === "bruteforce" ? 6 : 5)) {
        this.#schedule(user, atMs + FAILURE_GAP_MS, number + 1);
      } else {
        this.#close(user, plot);
      }
      return this.#mfa(user, atMs, "FAIL");
    }
    this.#close(user, plot);
    if (plot === "browser_upgrade") user.version = 1;
    else if (plot === "fingerprint_mismatch") user.profile ^= 1;
    else user.city = (cities[user.city] as City).far;
    return this.#login(user, atMs, true);
  }

  #close(user: User, plot: Plot): void {
    user.plot = null;
    user.busy = false;
    const keys = this.#planted.get(plot);
    if (keys === undefined) this.#planted.set(plot, [user.key]);
    else keys.push(user.key);
  }

  #eventId(): string {
    const part = () => this.#random() * 0x1_0000_0000;
    return uuidOf(part(), part(), part(), part());
  }

  #session(user: User): string {
    const { index, sessions } = user;
    return uuidOf(mix(index, 11), mix(sessions, index), mix(index, 13), mix(sessions, 14));
  }

  #context(user: User) {
    const { networks } = cities[user.city] as City;
    const network = networks[mix(user.index, 21) % networks.length];
    const profile = profiles[user.profile] as Profile;
    const version = profile.versions[user.version];
    const country = user.native.country;
    return {
      channel: profile.channel,
      network: {
        ip: `${network}.${1 + (mix(user.index, 22) % 250)}`,
        user_agent: profile.userAgent(version),
      },
      device: {
        device_id: user.deviceId,
        fingerprint: {
          hash: null,
          similarity: null,
          signals: {
            ...profile.signals,
            browser_version: version,
            timezone: timezones[country],
            languages: country === "GH" || country === "NG" ? "en" : "fr",
          },
        },
      },
      location: null,
      sim: profile.channel === "MOBILE" ? sims[country] : null,
    };
  }

  #base(user: User, occurred_at: number) {
    return {
      event_id: this.#eventId(),
      tenant_id: user.tenantId,
      user_id: user.userId,
      occurred_at,
    };
  }

  #login(user: User, atMs: number, succeeds: boolean): WorkloadEvent {
    if (succeeds) user.sessions++;
    const value: LoginEvent = {
      ...this.#base(user, atMs),
      kind: succeeds ? "AUTH_SUCCESS" : "AUTH_FAIL",
      session_id: succeeds ? this.#session(user) : null,
      user_type: "EXTERNAL",
      org_id: null,
      roles: ["customer"],
      login_method: "pin",
      failure_reason: succeeds ? null : "bad_credentials",
      absolute_expires_at: null,
      upstream_session_ref: null,
      source: "auth-gateway",
      ...this.#context(user),
    };
    return { topic: "id.login", key: user.key, value };
  }

  #heartbeat(user: User, atMs: number): WorkloadEvent {
    const value: HeartbeatEvent = {
      ...this.#base(user, atMs),
      session_id: this.#session(user),
      session_started_at: null,
      user_type: "EXTERNAL",
      org_id: null,
      roles: ["customer"],
      source: "session-edge",
      ...this.#context(user),
    };
    return { topic: "id.heartbeat", key: user.key, value };
  }

  #mfa(user: User, atMs: number, kind: MfaEvent["kind"]): WorkloadEvent {
    const value: MfaEvent = {
      ...this.#base(user, atMs),
      kind,
      factor: "TOTP",
      session_id: this.#session(user),
      source: "mfa-service",
      ...this.#context(user),
    };
    return { topic: "id.mfa", key: user.key, value };
  }
}

/** The city whose share of a hundred users holds this number. */
function pickCity(number: number): number {
  let below = 0;
  return cities.findIndex((city) => {
    below += city.share;
    return number < below;
  });
}
