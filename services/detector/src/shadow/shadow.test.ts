import { Writer } from "@vigie/core/bytes";
import { silentLogger } from "@vigie/core/log";
import {
  defaultPolicy,
  overlayPolicy,
  type PolicyDocument,
  type PolicyOverlay,
  type VersionedPolicy,
} from "@vigie/core/policy";
import { DAY_MS } from "@vigie/core/time";
import { unknownAddress } from "@vigie/geoip/geoip";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import type { SessionAnomaly, SessionPolicy } from "@vigie/schemas/types";
import { createDriver } from "@vigie/stream/driver";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createDetector } from "../app.ts";
import { createJudge } from "../judge.ts";
import {
  ABIDJAN,
  at,
  DAKAR,
  device,
  geo,
  heartbeat,
  login,
  mfaFailure,
  PARIS,
} from "../rules/example.ts";
import { rules } from "../rules/index.ts";
import type { AnyRule, EnrichedEvent } from "../rules/rule.ts";
import { examplesOf } from "../rules/run-example.ts";
import { event as anyEvent } from "../state/arbitraries.ts";
import { STATE_BYTES_MAX, stateFormat, type UserState } from "../state/user-state.ts";
import { publish, type Tell, type Verdict } from "../tell.ts";

/** A policy with a candidate beside it, or none. */
function policyOf(live: PolicyOverlay, tried: PolicyOverlay | null, share = 100): VersionedPolicy {
  const document = overlayPolicy(defaultPolicy, live);
  if (tried === null) return { version: 7, document };
  return {
    version: 7,
    document,
    candidate: { share, document: overlayPolicy(defaultPolicy, tried) },
  };
}

/** One user's events through the judge, the state through its bytes after each. */
class Follower {
  readonly found: Verdict[] = [];
  readonly published: SessionAnomaly[] = [];
  state: UserState | null = null;
  private readonly judge = createJudge(rules, this.tell());
  private readonly format = stateFormat(this.judge.parts);

  /** Of a user of whom nothing is known, those of an empty state. */
  get bytes(): Buffer {
    return (this.state ?? this.format.open(null).seal()).bytes;
  }

  take(event: EnrichedEvent, policy: VersionedPolicy): void {
    const open = this.format.open(this.state);
    this.judge.judge(open, { event, policy, key: "acme|u-1", nowMs: event.atMs });
    if (open.isChanged) this.state = open.seal();
  }

  private tell(): Tell {
    return (verdict) => {
      const emit = publish(verdict);
      this.found.push(verdict);
      this.published.push(emit.value as SessionAnomaly);
      return emit;
    };
  }
}

function follow(events: readonly EnrichedEvent[], policy: VersionedPolicy): Follower {
  const follower = new Follower();
  for (const event of events) follower.take(event, policy);
  return follower;
}

const texts = (verdicts: readonly Verdict[]): string[] =>
  verdicts.map(({ meta, finding }) => JSON.stringify([meta.name, finding])).sort();

const live = ({ candidate }: Verdict): boolean => candidate === null;
const ofCandidate = ({ candidate, isShared }: Verdict): boolean => candidate !== null || isShared;

const few = fc.record({
  kind: fc.constantFrom("login_success", "login_failure", "heartbeat", "mfa_failure", "geo"),
  atMs: fc.integer({ min: at("0:00"), max: at("9:00") }),
  id: fc.uuid(),
  position: fc.constantFrom(DAKAR, PARIS, ABIDJAN, null),
  device: fc.constantFrom(
    null,
    device({ os: "Android", browser: "Chrome", screen: "1080x2460" }),
    device({ os: "Android", browser: "Chrome", screen: "720x1600" }),
    device({ os: "iOS", browser: "Safari", screen: "1080x2460" }, { id: "phone-2" }),
  ),
});
const someEvents = fc.array(
  few.map((drawn): EnrichedEvent => ({ ...geo("0:00"), ...drawn }) as EnrichedEvent),
  { maxLength: 40 },
);

const mode = fc.constantFrom("ENFORCE", "SHADOW", "OFF");
const someOverlay = fc.record(
  {
    impossible_travel: fc.record({ kmh_threshold: fc.constantFrom(300, 900, 5_000) }),
    fp_mismatch_tolerance: fc.record({ score_min: fc.constantFrom(0, 0.5, 0.85, 1) }),
    max_failed_mfa_hour: fc.record({ count: fc.integer({ min: 1, max: 6 }) }),
    rules: fc.dictionary(
      fc.constantFrom("impossible_travel", "bruteforce", "new_device", "fingerprint_mismatch"),
      fc.record(
        { mode, risk_score: fc.constantFrom(10, 90), action: fc.constant("REVOKE") },
        { requiredKeys: [] },
      ),
    ),
    idle_timeout: fc.record({ minutes: fc.constantFrom(5, 30) }),
  },
  { requiredKeys: [] },
) as fc.Arbitrary<PolicyOverlay>;

describe("ANO-17: a candidate beside the policy in force", () => {
  test("that is the policy in force finds nothing besides", () => {
    fc.assert(
      fc.property(someEvents, someOverlay, (events, over) => {
        const { found } = follow(events, policyOf(over, over));
        expect(found.filter(({ candidate }) => candidate !== null)).toEqual([]);
        expect(found.every(({ isShared }) => isShared)).toBe(true);
      }),
    );
  });

  test("never changes what the policy in force finds", () => {
    fc.assert(
      fc.property(someEvents, someOverlay, someOverlay, (events, over, tried) => {
        const beside = follow(events, policyOf(over, tried)).found.filter(live);
        const alone = follow(events, policyOf(over, null)).found;
        expect(texts(beside)).toEqual(texts(alone));
      }),
    );
  });

  test("finds what it would find in force, from the first event on", () => {
    let told = 0;
    fc.assert(
      fc.property(someEvents, someOverlay, someOverlay, (events, over, tried) => {
        const beside = follow(events, policyOf(over, tried)).found.filter(ofCandidate);
        const alone = follow(events, policyOf(tried, null)).found;
        expect(texts(beside)).toEqual(texts(alone));
        told += beside.filter(({ candidate }) => candidate !== null).length;
      }),
      { numRuns: 300 },
    );
    expect(told).toBeGreaterThan(0);
  });

  test("leaves nothing behind when it ends", () => {
    fc.assert(
      fc.property(someEvents, someOverlay, someOverlay, (events, over, tried) => {
        const [last, ...before] = events.toReversed();
        if (last === undefined) return;
        const one = follow(before.toReversed(), policyOf(over, tried));
        const other = follow(before.toReversed(), policyOf(over, null));
        for (const follower of [one, other]) follower.take(last, policyOf(over, null));
        expect(one.bytes).toEqual(other.bytes);
      }),
    );
  });

  test("keeps the state of a user within its bound, whatever the events hold", () => {
    const tried = policyOf({}, { impossible_travel: { kmh_threshold: 300 }, rules: {} });
    const all = {
      ...tried,
      candidate: { share: 100, document: everythingOtherwise(tried.document) },
    };
    fc.assert(
      fc.property(fc.array(anyEvent, { minLength: 30, maxLength: 60 }), (events) => {
        const { state } = follow(events, all);
        expect(state?.bytes.length ?? 0).toBeLessThanOrEqual(STATE_BYTES_MAX);
      }),
      { numRuns: 30 },
    );
  });
});

/** A document in which every part that a rule steps by differs. */
function everythingOtherwise(document: PolicyDocument): PolicyDocument {
  const overlay: PolicyOverlay = {
    impossible_travel: { kmh_threshold: 300 },
    fp_mismatch_tolerance: { score_min: 1 },
    max_failed_mfa_hour: { count: 30 },
    max_failed_login_hour: { count: 30 },
    rules: { new_device: { mode: "OFF" }, mfa_fatigue: { mode: "OFF" } },
  };
  return overlayPolicy(document, overlay);
}

const clocks = ["10:00", "10:01", "10:02", "10:03", "10:04"];
const failures = clocks.map((clock) => mfaFailure(clock));
const limit = (count: number): PolicyOverlay => ({ max_failed_mfa_hour: { count } });

describe("a candidate met in the middle of a user's life", () => {
  test("knows what the policy in force knew: the fourth failure is one too many for it", () => {
    const follower = new Follower();
    for (const failure of failures.slice(0, 3)) follower.take(failure, policyOf({}, null));
    expect(follower.found).toEqual([]);
    follower.take(failures[3] as EnrichedEvent, policyOf({}, limit(3)));
    expect(follower.found.map(({ candidate }) => candidate !== null)).toEqual([true]);
  });

  test("of another content starts again from what the policy in force knows", () => {
    const follower = new Follower();
    for (const failure of failures.slice(0, 4)) follower.take(failure, policyOf({}, limit(3)));
    expect(follower.found).toHaveLength(1);
    // The first candidate forgot its failures with its alarm; the second one never had one.
    follower.take(failures[4] as EnrichedEvent, policyOf({}, limit(4)));
    expect(follower.found.map(({ candidate }) => candidate)).toHaveLength(2);
    expect(new Set(follower.found.map(({ candidate }) => candidate)).size).toBe(2);
  });

  test("of another idle timeout only is not stepped, and tells nothing", () => {
    const { found, state } = follow(failures, policyOf({}, { idle_timeout: { minutes: 5 } }));
    expect(found).toEqual([]);
    expect(state).toEqual(follow(failures, policyOf({}, null)).state);
  });
});

describe("what a candidate finds", () => {
  const dakarParis = [login("10:00", { position: DAKAR }), login("10:30", { position: PARIS })];
  const strict: PolicyOverlay = {
    rules: { impossible_travel: { mode: "ENFORCE", action: "REVOKE", risk_score: 99 } },
  };

  test("is published in shadow with an id of its own, whatever the candidate says", () => {
    const { published } = follow(dakarParis, policyOf({}, strict));
    const [own, tried] = published;
    expect(published).toHaveLength(2);
    expect(own).toMatchObject({ mode: "ENFORCE", action: "STEP_UP", risk_score: 95 });
    expect(own?.evidence).not.toHaveProperty("candidate");
    expect(tried).toMatchObject({ mode: "SHADOW", action: "REVOKE", risk_score: 99 });
    expect(tried?.evidence.candidate).toMatch(/^[0-9a-f]{12}$/);
    expect(tried?.anomaly_id).not.toBe(own?.anomaly_id);
    expect(follow(dakarParis, policyOf({}, strict)).published).toEqual(published);
  });

  test("where the rule is off in force is found, and the other way round is not", () => {
    const off: PolicyOverlay = { rules: { impossible_travel: { mode: "OFF" } } };
    const only = (over: PolicyOverlay, tried: PolicyOverlay) =>
      follow(dakarParis, policyOf(over, tried)).found.map(live);
    expect(only(off, {})).toEqual([false]);
    expect(only({}, off)).toEqual([true]);
  });

  test("is nothing for users outside its share", () => {
    expect(follow(dakarParis, policyOf({}, strict, 0)).found.every(live)).toBe(true);
    expect(follow(dakarParis, policyOf({}, strict, 100)).found.every(live)).toBe(false);
  });

  test("counts by the channel and roles of the session", () => {
    const onWeb: PolicyOverlay = { channels: { WEB: strict } };
    expect(follow(dakarParis, policyOf({}, onWeb)).found.every(live)).toBe(true);
    const web = dakarParis.map((event) => ({ ...event, channel: "WEB" as const }));
    expect(follow(web, policyOf({}, onWeb)).found.every(live)).toBe(false);
  });
});

test("ANO-17: goes to the topic of anomalies as a record, beside what is in force", () => {
  const detector = createDetector({
    codecs: memoryCodecs(),
    log: silentLogger,
    geoip: { lookup: () => unknownAddress },
    maxEventAgeMs: DAY_MS,
    maxAheadMs: DAY_MS,
  });
  const driver = createDriver(detector, { startMs: at("12:00") });
  driver.setGlobal("policy", "acme", {
    tenant_id: "acme",
    version: 4,
    updated_at: 0,
    actor: { type: "SYSTEM", id: "test", impersonator_id: null },
    document: JSON.stringify({ candidate: { document: limit(3) } }),
  } satisfies SessionPolicy);
  for (let i = 0; i < 6; i++) {
    driver.pipe("id.mfa", "acme|u-1", {
      event_id: `event-${i}`,
      tenant_id: "acme",
      user_id: "u-1",
      occurred_at: at("10:00") + i,
      kind: "FAIL",
      session_id: "s-1",
      channel: "MOBILE",
      network: null,
      location: null,
    });
  }
  const values = driver.read<SessionAnomaly>("candidate").map(({ value }) => value);
  expect(values.map((value) => [value.kind, value.mode, value.cause_event_ids.length])).toEqual([
    ["bruteforce", "SHADOW", 4],
    ["bruteforce", "ENFORCE", 6],
  ]);
  expect(driver.tally().ok).toBe(6);
});

describe("a rule's share of the users", () => {
  const events = [login("10:00", { position: DAKAR }), heartbeat("10:30", { position: PARIS })];
  const shared = (share: number, own: object = {}): PolicyOverlay => ({
    rules: { impossible_travel: { share, ...own } },
  });

  test("outside it the rule runs in shadow, and one in shadow not at all", () => {
    const modes = (over: PolicyOverlay): readonly string[] =>
      follow(events, policyOf(over, null)).published.map((anomaly) => anomaly.mode);
    expect(modes(shared(100))).toEqual(["ENFORCE"]);
    expect(modes(shared(0))).toEqual(["SHADOW"]);
    expect(modes(shared(0, { mode: "SHADOW" }))).toEqual([]);
  });
});

/** What the rule keeps of the events under each of the policies, as bytes. */
const keptUnder = (rule: AnyRule, events: readonly EnrichedEvent[], over: PolicyOverlay[]) =>
  over.map((each) => {
    const document = overlayPolicy(defaultPolicy, each);
    const writer = new Writer();
    let state: unknown = rule.initial;
    for (const event of events) {
      if (rule.meta.events.includes(event.kind)) ({ state } = rule.step(state, event, document));
    }
    rule.write(writer, state);
    return writer.finish().toString("hex");
  });

const keepsAlike = (rule: AnyRule, events: readonly EnrichedEvent[], over: PolicyOverlay[]) =>
  new Set(keptUnder(rule, events, over)).size === 1;

const limits = fc.record({
  impossible_travel: fc.record({ kmh_threshold: fc.constantFrom(300, 900, 5_000) }),
  login_risk: fc.record({ score_max: fc.constantFrom(1, 10, 1_000) }),
  max_failed_mfa_hour: fc.record({ count: fc.integer({ min: 1, max: 6 }) }),
});
const underTwo = fc.tuple(
  fc.oneof(someEvents, fc.array(anyEvent, { maxLength: 20 })),
  fc.tuple(limits, limits),
);

describe.each(rules.filter(({ meta }) => meta.keepsAlike))("$meta.name", (rule) => {
  test("keeps the same under any policy, so that a candidate needs no memory of its own", () => {
    fc.assert(fc.property(underTwo, ([events, two]) => keepsAlike(rule, events, two)));
    const trip = [login("10:00", { position: DAKAR }), login("10:30", { position: PARIS })];
    const other = { impossible_travel: { kmh_threshold: 300 }, login_risk: { score_max: 1 } };
    expect(follow(trip, policyOf({}, other)).bytes).toEqual(follow(trip, policyOf({}, null)).bytes);
  });
});

test("a rule that remembers what it told would be caught if it said that it keeps alike", () => {
  const rule = rules.find(({ meta }) => meta.name === "bruteforce") as AnyRule;
  const check = fc.check(
    fc.property(underTwo, ([events, two]) => keepsAlike(rule, events, two)),
    {
      numRuns: 1_000,
    },
  );
  expect(check.failed).toBe(true);
});

describe.each(rules)("$meta.name", ({ meta, step, initial }) => {
  test("steps by no other settings than it says", async () => {
    const read = new Set<string>();
    const document = new Proxy(defaultPolicy, {
      get(target, name) {
        read.add(String(name));
        return target[name as keyof PolicyDocument];
      },
    });
    const rule = rules.find((one) => one.meta === meta);
    const examples = rule === undefined ? [] : await examplesOf(rule);
    for (const { given, when } of examples) {
      let state: unknown = initial;
      for (const event of [...given, when]) {
        if (meta.events.includes(event.kind)) ({ state } = step(state, event, document));
      }
    }
    expect(meta.settings).toBeDefined();
    expect(
      [...read].filter((name) => !(meta.settings as readonly string[]).includes(name)),
    ).toEqual([]);
  });
});
