import { userKey } from "@vigie/core/keys";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "@vigie/core/time";
import type { Codecs } from "@vigie/schemas/codec-core";
import type {
  GeoPrefs,
  HeartbeatEvent,
  Location,
  LoginEvent,
  MfaEvent,
  SubjectErasure,
} from "@vigie/schemas/types";
import type { PipedBytes } from "@vigie/stream/driver";
import type { Random } from "./random.ts";

/** Any events of a few users, as bytes: ordinary ones, late, repeated, hostile and broken ones; seeded. */

export const TENANTS = ["acme", "globex", "initech"] as const;
const USERS = 12;
const PHONES = ["TECNO CK7n", "Pixel 7a", "CPH2579"] as const;
const NETWORKS = ["41.82.7", "102.89.1", "90.1.0", "104.28.0", "196.207.5"] as const;
const COUNTRIES = ["SN", "FR", "NG", "CI"] as const;
/** Event times of one run lie within this. */
const SPAN_MS = 3 * HOUR_MS;
const LATE_MS = 20 * DAY_MS;
const LONGEST_ID = 128;

export interface Traffic {
  readonly records: readonly PipedBytes[];
  /** Everything was appended by then. */
  readonly endMs: number;
}

export function trafficOf(codecs: Codecs, random: Random, count: number, startMs: number): Traffic {
  const maker = new Maker(codecs, random, startMs);
  const records: PipedBytes[] = [];
  for (let i = 0; i < count; i++) {
    const atMs = startMs + Math.floor((i / count) * SPAN_MS);
    const before = records[Math.floor(random() * records.length)];
    // One in thirty comes again: the same bytes, at once or much later.
    if (before !== undefined && random() < 1 / 30) records.push({ ...before, timestampMs: atMs });
    else records.push(maker.record(i, atMs));
  }
  return { records, endMs: startMs + SPAN_MS };
}

class Maker {
  private readonly codecs: Codecs;
  private readonly random: Random;
  private readonly startMs: number;
  private made = 0;

  constructor(codecs: Codecs, random: Random, startMs: number) {
    this.codecs = codecs;
    this.random = random;
    this.startMs = startMs;
  }

  record(turn: number, atMs: number): PipedBytes {
    const { random } = this;
    const tenantId = this.one(TENANTS);
    // One user in each tenant does most of it: the states of the busy ones are the largest.
    const user = random() < 0.4 ? 0 : Math.floor(random() * USERS);
    const userId = user === 11 ? `u-${"é".repeat(LONGEST_ID - 2)}` : `u-${user}`;
    const key = userKey(tenantId, userId);
    const common = this.common(tenantId, userId, this.occurredAtMs(turn, atMs));
    const value = this.value(common);
    const at = { timestampMs: atMs };
    const fault = random();
    if (fault < 0.003) return { ...value, key, value: value.value.subarray(0, 40), ...at };
    if (fault < 0.006) return { ...value, key: userKey("acme", "u-0"), ...at };
    if (fault < 0.009) return { ...value, key, value: null, ...at };
    if (fault < 0.013) return { topic: "id.geo.prefs", key, value: null, ...at };
    return { ...value, key, ...at };
  }

  /** Mostly now; some minutes or days late; now and then outside what is admitted. */
  private occurredAtMs(turn: number, atMs: number): number {
    const { random } = this;
    const kind = random();
    if (kind < 0.8) return atMs;
    if (kind < 0.93) return Math.floor(atMs - random() * HOUR_MS);
    if (kind < 0.98) return Math.floor(atMs - random() * LATE_MS);
    if (kind < 0.99) return atMs + 4 * MINUTE_MS;
    return turn % 2 === 0 ? atMs + DAY_MS : this.startMs - 60 * DAY_MS;
  }

  private common(tenantId: string, userId: string, occurredAtMs: number) {
    const hostile = this.random() < 0.05;
    const phone = this.one(PHONES);
    return {
      event_id: this.uuid(),
      tenant_id: tenantId,
      user_id: userId,
      occurred_at: occurredAtMs,
      session_id: this.random() < 0.1 ? null : this.sessionId(hostile),
      channel: this.random() < 0.9 ? "MOBILE" : this.one(["WEB", "USSD", "API"] as const),
      network: this.random() < 0.05 ? null : { ip: this.ip(), user_agent: this.userAgent(hostile) },
      device: this.random() < 0.1 ? null : this.device(phone, hostile),
      location: this.random() < 0.2 ? this.location() : null,
      sim: this.random() < 0.3 ? { mcc: this.one([608, 208, 621]), mnc: 1, carrier: null } : null,
      source: "simulation",
    } as const;
  }

  private value(common: ReturnType<Maker["common"]>): { topic: string; value: Buffer } {
    const { codecs, random } = this;
    const encode = <T>(topic: string, value: T) => ({
      topic,
      value: Buffer.from(codecs.encoder<T>(topic as never).encode(value)),
    });
    const session = { user_type: "EXTERNAL", org_id: null, roles: ["teller"] } as const;
    const sid = common.session_id ?? "s-0";
    const kind = random();
    if (kind < 0.5) {
      return encode<LoginEvent>("id.login", {
        ...common,
        ...session,
        session_id: sid,
        kind: this.one(["AUTH_SUCCESS", "AUTH_SUCCESS", "AUTH_SUCCESS", "AUTH_FAIL", "LOGOUT"]),
        login_method: "pin",
        failure_reason: null,
        absolute_expires_at: null,
        upstream_session_ref: null,
      });
    }
    if (kind < 0.75) {
      const started = { session_started_at: null };
      return encode<HeartbeatEvent>("id.heartbeat", {
        ...common,
        ...session,
        ...started,
        session_id: sid,
      });
    }
    if (kind < 0.77) {
      return encode<GeoPrefs>("id.geo.prefs", {
        tenant_id: common.tenant_id,
        user_id: common.user_id,
        gps_opt_in: this.random() < 0.5,
        precision: this.one([2, 3, 5, 6, 7]),
        updated_at: common.occurred_at,
      });
    }
    if (kind < 0.995) {
      const mfaKind = this.one(["CHALLENGE", "FAIL", "FAIL", "SUCCESS"] as const);
      return encode<MfaEvent>("id.mfa", { ...common, kind: mfaKind, factor: "SMS" });
    }
    return encode<SubjectErasure>("id.subject.erasure", {
      erasure_id: this.uuid(),
      tenant_id: common.tenant_id,
      user_id: common.user_id,
      requested_at: common.occurred_at,
      actor: { type: "ADMIN", id: "dpo", impersonator_id: null },
    });
  }

  private ip(): string {
    const { random } = this;
    const kind = random();
    const last = Math.floor(random() * 256);
    if (kind < 0.8) return `${this.one(NETWORKS)}.${last}`;
    if (kind < 0.9) return `${Math.floor(random() * 224)}.${last}.${last}.1`;
    if (kind < 0.97) return `2a01:e0a:${last.toString(16)}::${last.toString(16)}`;
    return this.one(["10.0.0.1", "not an address", "::ffff:41.82.7.9", "2001:db8::1"]);
  }

  private userAgent(hostile: boolean): string | null {
    if (hostile) return `${this.uuid()} ${"€".repeat(900)}`;
    if (this.random() < 0.1) return null;
    const version = 140 + Math.floor(this.random() * 3);
    return `Mozilla/5.0 (Linux; Android 14; ${this.one(PHONES)}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${version}.0.0.0 Mobile Safari/537.36`;
  }

  private device(model: string, hostile: boolean) {
    const signals: Record<string, string> = {
      os: hostile ? this.uuid() : "Android",
      browser: "Chrome",
      device_model: model,
      screen: "1080x2460",
    };
    if (hostile) {
      for (let i = 0; i < 40; i++) signals[`signal-${i}-${this.made}`] = "é".repeat(120);
    }
    const similarity = this.random() < 0.1 ? this.random() : null;
    const device_id = hostile ? this.uuid() : `phone-${PHONES.indexOf(model as never)}`;
    return { device_id, fingerprint: { hash: "0".repeat(32), similarity, signals } };
  }

  private location(): Location {
    const given = this.random() < 0.5;
    return {
      source: this.one(["GPS", "IP", "SIM"] as const),
      lat: given ? Math.floor(this.random() * 180) - 90 : null,
      lon: given ? Math.floor(this.random() * 360) - 180 : null,
      accuracy_m: null,
      country: this.one(COUNTRIES),
      city: null,
    };
  }

  private sessionId(hostile: boolean): string {
    return hostile ? this.uuid().padEnd(LONGEST_ID, "é") : `s-${Math.floor(this.random() * 8)}`;
  }

  private uuid(): string {
    this.made += 1;
    const hex = this.made.toString(16).padStart(12, "0");
    return `0193ff42-17aa-4bcd-9f00-${hex}`;
  }

  private one<T>(list: readonly T[]): T {
    return list[Math.floor(this.random() * list.length)] as T;
  }
}
