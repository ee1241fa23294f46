import { silentLogger } from "@vigie/core/log";
import type { PolicyOverlay } from "@vigie/core/policy";
import { MINUTE_MS } from "@vigie/core/time";
import { type GeoIp, unknownAddress } from "@vigie/geoip/geoip";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import type { SessionAnomaly, SessionPolicy } from "@vigie/schemas/types";
import { derivedKeys } from "@vigie/service-kit/kms/derived-keys";
import { createDriver } from "@vigie/stream/driver";
import { describe, expect, test } from "vitest";
import type { RawEvent } from "#enrich/event";
import { createDetector } from "../app.ts";
import { addressNames } from "./address-names.ts";
import { addressStateCodec } from "./address-state.ts";
import { createSprayProcessor, WATCHED_COUNT } from "./processor.ts";
import { TRIES, TRIES_TOPIC } from "./tell-tries.ts";
import { type Try, tryEncoder } from "./try.ts";
import { markOf, WATCHED, type Watched, watchedEncoder, watchedTable } from "./watched.ts";

const START_MS = Date.UTC(2026, 0, 5, 10);
/** Later than all that the tests tell of. */
const NOW_MS = START_MS + 60 * MINUTE_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;
const geoip: GeoIp = { lookup: () => unknownAddress };
const masters = [
  { keyId: "k1", activeFromMs: 0, secret: Buffer.alloc(32, 1) },
  { keyId: "k2", activeFromMs: NOW_MS + 5 * MINUTE_MS, secret: Buffer.alloc(32, 2) },
];
const ATTACKER = "102.89.1.7";

interface Made {
  readonly atMin?: number;
  readonly ip?: string;
  readonly tenantId?: string;
  readonly sessionId?: string;
  readonly channel?: RawEvent["channel"];
  readonly eventId?: string;
}

const policyOf = (overlay: PolicyOverlay): SessionPolicy => ({
  tenant_id: "acme",
  version: 7,
  updated_at: START_MS,
  actor: { type: "SYSTEM", id: "test", impersonator_id: null },
  document: JSON.stringify(overlay),
});

/** Detector and addresses on their drivers, with what runs between them in production carried over by hand. */
function chain(options: { readonly watchedMax?: number } = {}) {
  let keysAtMs = NOW_MS;
  const codecs = memoryCodecs();
  const names = addressNames(derivedKeys(masters, () => keysAtMs));
  const limits = { maxEventAgeMs: 30 * DAY_MS, maxAheadMs: 5 * MINUTE_MS };
  const detector = createDriver(
    createDetector({ ...limits, codecs, log: silentLogger, geoip, addresses: names, rules: [] }),
    { startMs: NOW_MS },
  );
  const spray = createDriver(createSprayProcessor({ codecs, ...options }), { startMs: NOW_MS });
  let nowMs = NOW_MS;
  let made = 0;

  const watched = new Set<string>();
  function watch(): void {
    for (const { key, value } of spray.read<Watched | null>("watched")) {
      const bytes = value === null ? null : watchedEncoder.encode(value);
      const read = bytes === null ? null : watchedTable.decoder.decode(bytes);
      detector.setGlobal(WATCHED, key, read?.kind === "ok" ? read.value : null);
      if (read === null) watched.delete(key);
      else watched.add(key);
    }
  }
  const found: SessionAnomaly[] = [];
  /** What the detector told of, through its bytes; how many. */
  function carry(): number {
    const tries = detector.read<Try>(TRIES);
    for (const { key, value } of tries) {
      spray.pipeBytes(TRIES_TOPIC, key, tryEncoder.encode(value), { timestampMs: nowMs });
    }
    // One topic each: what is read of the one is not among the other.
    found.push(...spray.read<SessionAnomaly>("credential_spray").map(({ value }) => value));
    watch();
    return tries.length;
  }
  function login(kind: string, user: string, content: Made): number {
    made += 1;
    const tenantId = content.tenantId ?? "acme";
    const event: RawEvent = {
      event_id: content.eventId ?? `event-${made}`,
      tenant_id: tenantId,
      user_id: user,
      occurred_at: START_MS + (content.atMin ?? 0) * MINUTE_MS,
      kind,
      session_id: kind === "AUTH_SUCCESS" ? (content.sessionId ?? `s-${user}`) : null,
      channel: content.channel ?? "WEB",
      roles: [],
      network: { ip: content.ip ?? ATTACKER, user_agent: null },
      device: null,
      location: null,
    };
    detector.pipe("id.login", `${tenantId}|${user}`, event, { timestampMs: nowMs });
    return carry();
  }
  return {
    spray,
    watched,
    fail: (user: string, content: Made = {}) => login("AUTH_FAIL", user, content),
    succeed: (user: string, content: Made = {}) => login("AUTH_SUCCESS", user, content),
    attack(users = 5, content: Made = {}): void {
      for (let n = 1; n <= users; n++) login("AUTH_FAIL", `u-${n}`, { atMin: n, ...content });
    },
    found: () => found.splice(0),
    advance(minutes: number): void {
      nowMs += minutes * MINUTE_MS;
      keysAtMs = nowMs;
      detector.advanceTo(nowMs);
      spray.advanceTo(nowMs);
      carry();
    },
    setPolicy(overlay: PolicyOverlay): void {
      const policy = policyOf(overlay);
      detector.setGlobal("policy", "acme", policy);
      spray.setGlobal("policy", "acme", policy);
    },
    /** Without the tenant. */
    nameOf: (ip: string, tenantId = "acme") =>
      (names.of(tenantId, ip, nowMs)[0] ?? "").slice(tenantId.length + 1),
  };
}

describe("credential_spray", () => {
  test("CNF-13: a record for the address, under its name, and one for each user let in afterwards", () => {
    const { attack, found, nameOf, succeed } = chain();
    attack();
    const [onAddress, ...more] = found();
    expect(more).toEqual([]);
    expect(onAddress).toMatchObject({
      tenant_id: "acme",
      user_id: nameOf(ATTACKER),
      session_id: null,
      kind: "credential_spray",
      severity: "HIGH",
      risk_score: 80,
      action: "STEP_UP",
      mode: "ENFORCE",
      cause_event_ids: ["event-1", "event-2", "event-3", "event-4", "event-5"],
      occurred_at: START_MS + 5 * MINUTE_MS,
    });
    succeed("u-9", { atMin: 6, sessionId: "s-9" });
    succeed("u-9", { atMin: 7, sessionId: "s-10" });
    expect(found()).toMatchObject([
      {
        user_id: "u-9",
        session_id: "s-9",
        action: "STEP_UP",
        cause_event_ids: ["event-1", "event-6"],
      },
    ]);
  });

  test("ids are the same whenever it is judged again", () => {
    const run = () => {
      const { attack, found, succeed } = chain();
      attack();
      succeed("u-1", { atMin: 6 });
      return found().map(({ anomaly_id }) => anomaly_id);
    };
    expect(run()).toHaveLength(2);
    expect(run()).toEqual(run());
  });

  test("people behind one address, of whom more get in than fail, are none", () => {
    const { fail, found, succeed } = chain();
    fail("u-1", { atMin: 1 });
    fail("u-2", { atMin: 2 });
    for (let n = 1; n <= 5; n++) succeed(`v-${n}`, { atMin: 2 });
    for (let n = 3; n <= 5; n++) fail(`u-${n}`, { atMin: n });
    expect(found()).toEqual([]);
  });

  test("the address of another tenant is another address", () => {
    const { attack, fail, found, nameOf } = chain();
    attack(4);
    fail("u-5", { tenantId: "other" });
    expect(found()).toEqual([]);
    expect(nameOf(ATTACKER, "other")).not.toBe(nameOf(ATTACKER));
  });

  test("a duplicate that comes again is counted once", () => {
    const { attack, fail, found } = chain();
    attack(4);
    expect(fail("u-4", { atMin: 4, eventId: "event-4" })).toBe(0);
    expect(found()).toEqual([]);
  });

  test("no address, no address's record", () => {
    const { fail } = chain();
    expect(fail("u-1", { ip: "" })).toBe(0);
    expect(fail("u-1", { ip: "not an address" })).toBe(0);
  });
});

describe("which addresses are watched", () => {
  test("a success is told of only from an address that is watched", () => {
    const { fail, succeed } = chain();
    expect(succeed("u-1")).toBe(0);
    expect(fail("u-2")).toBe(1);
    expect(succeed("u-1")).toBe(0);
    expect(fail("u-2")).toBe(1);
    expect(succeed("u-1")).toBe(0);
    expect(fail("u-3")).toBe(1);
    expect(succeed("u-1", { ip: "41.82.0.1" })).toBe(0);
    expect(succeed("u-1", { tenantId: "other" })).toBe(0);
    expect(succeed("u-1")).toBe(1);
  });

  test("two users who fail more than a window apart let no address be watched", () => {
    const { fail, succeed } = chain();
    fail("u-1", { atMin: 1 });
    fail("u-2", { atMin: 21 });
    expect(succeed("u-3", { atMin: 22 })).toBe(0);
    fail("u-4", { atMin: 22 });
    expect(succeed("u-3", { atMin: 22 })).toBe(1);
  });

  test("an address is watched for a window after its last failure, then no more", () => {
    const { advance, fail, succeed } = chain();
    fail("u-0");
    fail("u-1");
    advance(15);
    fail("u-1", { atMin: 15 });
    advance(19);
    expect(succeed("u-2")).toBe(1);
    advance(6);
    expect(succeed("u-2")).toBe(0);
  });

  test("no more addresses are watched than there is room for; the others are still judged", () => {
    const { advance, attack, fail, found, succeed } = chain({ watchedMax: 1 });
    fail("u-0", { ip: "41.82.0.1" });
    fail("u-1", { ip: "41.82.0.1" });
    attack();
    expect(found()).toHaveLength(1);
    expect(succeed("u-2")).toBe(0);
    advance(26);
    fail("u-0", { atMin: 26 });
    fail("u-1", { atMin: 26 });
    expect(succeed("u-2")).toBe(1);
  });
});

describe("what the policy says", () => {
  test("SHADOW, action and risk; the channel's word counts for the user who was let in", () => {
    const { attack, found, setPolicy, succeed } = chain();
    setPolicy({
      rules: { credential_spray: { mode: "SHADOW", risk_score: 91 } },
      channels: { MOBILE: { rules: { credential_spray: { mode: "ENFORCE", action: "REVOKE" } } } },
    });
    attack();
    succeed("u-8", { atMin: 6 });
    succeed("u-9", { atMin: 6, channel: "MOBILE" });
    expect(found()).toMatchObject([
      { mode: "SHADOW", risk_score: 91, policy_version: 7 },
      { mode: "SHADOW", user_id: "u-8" },
      { mode: "ENFORCE", user_id: "u-9", action: "REVOKE" },
    ]);
  });

  test("OFF: nobody is told of anything", () => {
    const { fail, found, setPolicy, spray } = chain();
    setPolicy({ rules: { credential_spray: { mode: "OFF" } } });
    for (let n = 1; n <= 9; n++) expect(fail(`u-${n}`, { atMin: n })).toBe(0);
    expect(found()).toEqual([]);
    expect(spray.changelog()).toEqual([]);
  });

  test("outside the share of users the rule is one notch milder", () => {
    const { attack, found, setPolicy } = chain();
    setPolicy({ rules: { credential_spray: { share: 0 } } });
    attack();
    expect(found()).toMatchObject([{ mode: "SHADOW" }]);
  });

  test("the number of users", () => {
    const { attack, found, setPolicy } = chain();
    setPolicy({ credential_spray: { user_count: 8 } });
    attack(7);
    expect(found()).toEqual([]);
    attack(8);
    expect(found()).toHaveLength(1);
  });
});

describe("what is kept", () => {
  test("PRV-14: everything is forgotten by the timer, and the table with it", () => {
    const { advance, attack, nameOf, spray, succeed, watched } = chain();
    attack();
    succeed("u-9", { atMin: 6 });
    const key = `acme|${nameOf(ATTACKER)}`;
    expect([...watched]).toEqual([key]);
    expect(spray.state(key)).not.toBeNull();
    expect(spray.aggregate<number>(WATCHED_COUNT)).toBe(1);
    advance(80);
    expect(spray.state(key)).toBeNull();
    expect(spray.changelog().at(-1)).toEqual({ key, state: null });
    expect(spray.aggregate<number>(WATCHED_COUNT)).toBe(0);
    expect(watched.size).toBe(0);
  });

  test("PRV-02, PRV-14: neither the address nor a user's id lies in state or changelog", () => {
    const { attack, spray, succeed } = chain();
    attack();
    succeed("person-9", { atMin: 6, sessionId: "session-9" });
    const codec = addressStateCodec();
    const all = spray
      .changelog()
      .map(({ key, state }) => key + (state ? Buffer.from(codec.encode(state)).toString() : ""));
    expect(all.length).toBeGreaterThan(0);
    expect(all.join("\n")).not.toMatch(/102\.89|person-9|session-9|u-1/);
  });

  test("after a restore from the changelog it goes on where it was", () => {
    const { attack, fail, found, spray, succeed } = chain();
    attack(4);
    spray.restore();
    fail("u-5", { atMin: 5 });
    spray.restore();
    succeed("u-5", { atMin: 6 });
    spray.restore();
    succeed("u-5", { atMin: 7 });
    expect(found().map(({ session_id }) => session_id)).toEqual([null, "s-u-5"]);
  });

  test("PRV-03: an address keeps the name that it is watched under when the tenant's key is replaced", () => {
    const { advance, attack, fail, found, nameOf, succeed } = chain();
    attack(4);
    const before = nameOf(ATTACKER);
    advance(6);
    expect(nameOf(ATTACKER)).not.toBe(before);
    fail("u-5", { atMin: 5 });
    succeed("u-5", { atMin: 6 });
    expect(found()).toMatchObject([{ user_id: before }, { user_id: "u-5" }]);
    // Once nobody watches it, it goes by the new key.
    advance(81);
    attack();
    expect(found()).toMatchObject([{ user_id: nameOf(ATTACKER) }]);
  });
});

describe("marks of addresses", () => {
  test("an address that shares the mark of a watched one is not told of", () => {
    const { attack, nameOf, succeed } = chain();
    attack();
    const others = Array.from({ length: 65_536 }, (_, n) => `41.82.${n >> 8}.${n & 255}`);
    const alike = others.find((ip) => markOf(ip) === markOf(ATTACKER)) ?? ATTACKER;
    expect(succeed("u-9", { ip: alike, atMin: 6 })).toBe(0);
    const [one, other] = [nameOf(ATTACKER), nameOf(alike)];
    expect(other).not.toBe(one);
    expect([nameOf(ATTACKER), nameOf(alike)]).toEqual([one, other]);
    expect(succeed("u-9", { atMin: 6 })).toBe(1);
  });
});

describe("records of logins by address", () => {
  test("garbage, or what lies under no address, goes to the dead letters", () => {
    const { spray } = chain();
    const user = 0;
    const sound = tryEncoder.encode({ user, mark: 0, atMs: 1, eventId: "e", letIn: null });
    const key = `acme|ip:${"a".repeat(64)}`;
    spray.pipeBytes(TRIES_TOPIC, key, Buffer.from([1, 0, 7]));
    spray.pipeBytes(TRIES_TOPIC, key, Buffer.from([9]));
    spray.pipeBytes(TRIES_TOPIC, "acme|u-1", sound);
    expect(spray.deadLetters().map(({ code }) => code)).toEqual([
      "VIG_RECORD_UNDECODABLE",
      "VIG_RECORD_UNDECODABLE",
      "VIG_RECORD_KEY_MISMATCH",
    ]);
    expect(watchedTable.decoder.decode(Buffer.from([1])).kind).toBe("dlq");
  });
});
