import { userKey } from "@vigie/core/keys";
import { DAY_MS, HOUR_MS } from "@vigie/core/time";
import type { TopicName } from "@vigie/schemas/catalogue";
import type { Codecs } from "@vigie/schemas/codec-core";
import type { Device, HeartbeatEvent, LoginEvent, MfaEvent, Network } from "@vigie/schemas/types";
import { randomOf } from "../src/testing/random.ts";

/** A record as it would lie in a topic. */
export interface BenchRecord {
  readonly topic: TopicName;
  readonly key: string;
  readonly timestampMs: number;
  readonly value: Buffer;
}

export interface WorkloadOptions {
  readonly events: number;
  readonly users: number;
  readonly seed: number;
}

const FIRST_MS = Date.UTC(2026, 10, 1);
const SPAN_MS = 10 * DAY_MS;

/** Networks of phones, by country. Source: the prefixes that DB-IP places there. */
const networks = [
  { country: "sn", prefix: "41.82" },
  { country: "ci", prefix: "160.154" },
  { country: "gh", prefix: "154.160" },
  { country: "ng", prefix: "197.210" },
  { country: "fr", prefix: "90.1" },
] as const;
const models = ["SM-A055F", "TECNO CK7n", "Infinix X6711", "itel A666L", "CPH2579", "Pixel 7a"];

/**
 * 60 % logins, 30 % heartbeats, 10 % second factors of uniform users in the order of event time, values of some 560
 * bytes; one event in a thousand comes from another country, half an hour after the user's last one.
 */
export function workload(codecs: Codecs, options: WorkloadOptions): BenchRecord[] {
  const random = randomOf(options.seed);
  const uuid = (): string => {
    const hex = Array.from({ length: 4 }, () => Math.floor(random() * 2 ** 32));
    const [a = "", b = "", c = "", d = ""] = hex.map((word) => word.toString(16).padStart(8, "0"));
    return `${a}-${b.slice(0, 4)}-4${b.slice(5)}-a${c.slice(1, 4)}-${c.slice(4)}${d}`;
  };
  const login = codecs.encoder<LoginEvent>("id.login");
  const heartbeat = codecs.encoder<HeartbeatEvent>("id.heartbeat");
  const mfa = codecs.encoder<MfaEvent>("id.mfa");
  const sessions = new Map<number, string>();
  const records: BenchRecord[] = [];
  let last = 0;
  for (let i = 0; i < options.events; i++) {
    const user = random() < 0.002 ? last : Math.floor(random() * options.users);
    const away = user === last && random() < 0.5;
    const atMs = FIRST_MS + Math.floor((i / options.events) * SPAN_MS) + (away ? HOUR_MS / 2 : 0);
    last = user;
    const common = commonOf(user, away, { atMs, eventId: uuid() });
    const key = userKey(common.tenant_id, common.user_id);
    const kind = random();
    if (kind < 0.6 || !sessions.has(user)) sessions.set(user, uuid());
    const session_id = sessions.get(user) ?? "";
    const add = (topic: TopicName, value: Buffer): number =>
      records.push({ topic, key, timestampMs: atMs, value });
    if (kind < 0.6) add("id.login", login.encode({ ...common, ...loginOnly, session_id }));
    else if (kind < 0.9)
      add("id.heartbeat", heartbeat.encode({ ...common, ...beatOnly, session_id }));
    else add("id.mfa", mfa.encode({ ...common, ...mfaOnly, session_id }));
  }
  return records;
}

const sessionOnly = { user_type: "EXTERNAL", org_id: null, roles: ["customer"] } as const;
const beatOnly = { ...sessionOnly, session_started_at: null } as const;
const mfaOnly = { kind: "SUCCESS", factor: "SMS" } as const;
const loginOnly = {
  ...sessionOnly,
  kind: "AUTH_SUCCESS",
  login_method: "pin",
  failure_reason: null,
  absolute_expires_at: null,
  upstream_session_ref: null,
} as const;

function commonOf(user: number, away: boolean, about: { atMs: number; eventId: string }) {
  const home = networks[user % networks.length] ?? networks[0];
  const here = networks[(user + (away ? 4 : 0)) % networks.length] ?? networks[0];
  const model = models[user % models.length] ?? "";
  const network: Network = {
    ip: `${here.prefix}.${(user >> 8) & 255}.${1 + (user & 127)}`,
    user_agent: `Mozilla/5.0 (Linux; Android 14; ${model}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.7444.48 Mobile Safari/537.36`,
  };
  return {
    event_id: about.eventId,
    tenant_id: `molam-${home.country}`,
    user_id: `usr_${String(user).padStart(8, "0")}`,
    occurred_at: about.atMs,
    channel: "MOBILE",
    network,
    device: deviceOf(user, model),
    location: null,
    sim: null,
    source: "auth-gateway",
  } as const;
}

const deviceOf = (user: number, model: string): Device => ({
  device_id: `00000000-0000-4000-a000-${user.toString(16).padStart(12, "0")}`,
  fingerprint: {
    hash: user.toString(16).padStart(32, "0"),
    similarity: null,
    signals: {
      app_version: "4.12.0",
      browser: "Chrome",
      browser_version: "142.0.7444.48",
      device_model: model,
      gpu_vendor: "ARM Mali-G57",
      languages: "fr-SN,fr,wo",
      os: "Android",
      os_version: "14",
      screen: "1080x2460",
      timezone: "Africa/Dakar",
    },
  },
});
