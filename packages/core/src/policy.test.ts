import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  absoluteHoursMax,
  checkPolicy,
  defaultPolicy,
  overlayPolicy,
  type PolicyDocument,
  type PolicyOverlay,
  parsePolicy,
  policyFor,
  ruleSwitch,
} from "./policy.ts";
import { anyOverlay } from "./testing/policies.ts";

const documentOf = (over: PolicyOverlay): PolicyDocument => overlayPolicy(defaultPolicy, over);
const web = (...roles: string[]) => ({ channel: "WEB", roles });

describe("a document over another", () => {
  test("POL-04: overrides what it names and keeps the default of the rest", () => {
    const parsed = parsePolicy(
      '{"impossible_travel":{"kmh_threshold":800},"rules":{"bruteforce":{"mode":"SHADOW","risk_score":60}}}',
    );
    expect(parsed.faults).toBeUndefined();
    const policy = documentOf(parsed.overlay ?? {});
    expect(policy.impossible_travel).toEqual({
      kmh_threshold: 800,
      distance_min_km: 100,
      skew_s: 60,
    });
    expect(policy.max_failed_mfa_hour).toEqual({ count: 5 });
    expect(policy.rules.bruteforce).toEqual({ mode: "SHADOW", risk_score: 60 });
  });

  test("leaves the other switches of a rule", () => {
    const base = documentOf({ rules: { bruteforce: { mode: "SHADOW" } } });
    const policy = overlayPolicy(base, { rules: { bruteforce: { action: "BLOCK" } } });
    expect(policy.rules.bruteforce).toEqual({ mode: "SHADOW", action: "BLOCK" });
  });

  test("POL-09: replaces a list, so that a tenant may unblock a country", () => {
    const base = documentOf({ blocked_countries: { countries: ["KP", "SN"] } });
    const policy = overlayPolicy(base, { blocked_countries: { countries: ["KP"] } });
    expect(policy.blocked_countries.countries).toEqual(["KP"]);
  });

  test("has names that every object has as its own only", () => {
    const policy = documentOf({ roles: { constructor: { idle_timeout: { minutes: 4 } } } });
    expect(policyFor(policy, web("constructor")).idle_timeout.minutes).toBe(4);
    expect(policyFor(defaultPolicy, web("constructor", "toString"))).toBe(defaultPolicy);
  });

  test("lays documents over each other in any grouping, and the same one twice as once", () => {
    fc.assert(
      fc.property(anyOverlay, anyOverlay, anyOverlay, (one, two, three) => {
        const left = overlayPolicy(overlayPolicy(one, two), three);
        expect(left).toEqual(overlayPolicy(one, overlayPolicy(two, three)));
        expect(overlayPolicy(overlayPolicy(one, two), two)).toEqual(overlayPolicy(one, two));
        expect(overlayPolicy(defaultPolicy, {})).toEqual(defaultPolicy);
      }),
    );
  });
});

describe("for a channel and roles", () => {
  const refined = documentOf({
    idle_timeout: { minutes: 20 },
    blocked_countries: { countries: ["KP"] },
    rules: { geo_block: { mode: "SHADOW" } },
    channels: { WEB: { idle_timeout: { minutes: 15 }, absolute_timeout: { hours: 24 } } },
    roles: {
      teller: {
        idle_timeout: { minutes: 5 },
        max_concurrent_sessions: { count: 1 },
        blocked_countries: { countries: ["RU"] },
      },
      auditor: {
        idle_timeout: { minutes: 10 },
        max_concurrent_sessions: { count: 0 },
        rules: { geo_block: { mode: "ENFORCE", action: "BLOCK" } },
      },
    },
  });

  test("USS-01: USSD is short by default, and only USSD", () => {
    expect(policyFor(defaultPolicy, { channel: "USSD", roles: [] }).idle_timeout.minutes).toBe(3);
    expect(policyFor(defaultPolicy, { channel: "UNKNOWN", roles: [] })).toBe(defaultPolicy);
  });

  test("the channel counts over the tenant, and the role over the channel", () => {
    expect(policyFor(refined, { channel: "MOBILE", roles: [] }).idle_timeout.minutes).toBe(20);
    expect(policyFor(refined, web()).idle_timeout.minutes).toBe(15);
    expect(policyFor(refined, web("auditor")).idle_timeout.minutes).toBe(10);
    expect(policyFor(refined, web("auditor")).absolute_timeout.hours).toBe(24);
  });

  test("of several roles the strictest value counts, whatever their order", () => {
    for (const roles of [
      ["teller", "auditor", "guest"],
      ["auditor", "guest", "teller"],
    ]) {
      const policy = policyFor(refined, web(...roles));
      expect(policy.idle_timeout.minutes).toBe(5);
      expect(policy.max_concurrent_sessions).toEqual({
        count: 1,
        on_excess: "revoke_oldest",
        per_channel: {},
      });
      expect(policy.blocked_countries.countries).toEqual(["KP", "RU"]);
    }
  });

  test("a rule is switched by role; where no one names it, it has no switch", () => {
    expect(ruleSwitch(refined, "geo_block", web("auditor"))).toEqual({
      mode: "ENFORCE",
      action: "BLOCK",
    });
    expect(ruleSwitch(refined, "geo_block", web("teller"))).toEqual({ mode: "SHADOW" });
    expect(ruleSwitch(refined, "bruteforce", web("teller"))).toEqual({});
  });

  test("the longest life of any session is known", () => {
    expect(absoluteHoursMax(refined)).toBe(720);
    expect(
      absoluteHoursMax(documentOf({ roles: { bot: { absolute_timeout: { hours: 800 } } } })),
    ).toBe(800);
  });

  test("the same scope gets the same object, and refining twice changes nothing", () => {
    const policy = policyFor(refined, web("teller"));
    expect(policyFor(refined, web("teller"))).toBe(policy);
    expect(policyFor(policy, web("teller"))).toBe(policy);
  });

  test("the order of roles never matters, and one more role is never milder where both speak", () => {
    fc.assert(
      fc.property(anyOverlay, fc.subarray(["teller", "admin", "bot"]), (over, roles) => {
        const document = documentOf(over);
        const channel = "MOBILE";
        const policy = policyFor(document, { channel, roles });
        const turned = [...roles].reverse();
        expect(policyFor(document, { channel, roles: turned })).toEqual(policy);
        for (const role of roles) {
          const minutes = document.roles[role]?.idle_timeout?.minutes ?? Number.MAX_VALUE;
          expect(policy.idle_timeout.minutes).toBeLessThanOrEqual(minutes);
        }
      }),
    );
  });
});

test.each([
  ["not JSON", "{", "", "is not JSON"],
  ["an array", "[]", "", "is not an object"],
  ["a number for a part", '{"idle_timeout":3}', "idle_timeout", "is not an object"],
  [
    "a text for a number",
    '{"idle_timeout":{"minutes":"30"}}',
    "idle_timeout.minutes",
    "is not a number 1..1440",
  ],
  [
    "too low a speed",
    '{"impossible_travel":{"kmh_threshold":299}}',
    "impossible_travel.kmh_threshold",
    "is not a number 300..100000",
  ],
  [
    "half a failure",
    '{"max_failed_mfa_hour":{"count":2.5}}',
    "max_failed_mfa_hour.count",
    "is not an integer 1..30",
  ],
  [
    "an unknown mode",
    '{"rules":{"bruteforce":{"mode":"LOUD"}}}',
    "rules.bruteforce.mode",
    "is not one of OFF, SHADOW, ENFORCE",
  ],
  [
    "a rule that is none",
    '{"rules":{"__proto__":{"mode":"OFF"}}}',
    "rules.__proto__",
    "is no name for this",
  ],
  [
    "a role that is none",
    '{"roles":{"__proto__":{"idle_timeout":{"minutes":5}}}}',
    "roles.__proto__",
    "is no name for this",
  ],
  [
    "a country twice",
    '{"blocked_countries":{"countries":["SN","SN"]}}',
    "blocked_countries.countries",
    "is not a list of up to 250 different ISO 3166-1 alpha-2 codes",
  ],
])("POL-05: %s makes a document invalid and says where", (_what, text, path, why) => {
  expect(parsePolicy(text).faults).toEqual([{ path, why }]);
});

test("fields of a newer version are left alone on the topic, and refused from an administrator", () => {
  const document = {
    idle_timeout: { minutes: 5, grace: 1 },
    later: true,
    rules: { future_rule: { mode: "OFF" } },
  };
  expect(parsePolicy(JSON.stringify(document)).overlay).toEqual({
    idle_timeout: { minutes: 5 },
    rules: { future_rule: { mode: "OFF" } },
  });
  expect(checkPolicy(document).faults?.map(({ path }) => path)).toEqual([
    "idle_timeout.grace",
    "later",
    "rules.future_rule",
  ]);
});

test("POL-03: a life that an earlier version let a policy give is cut to the bound, and refused from an administrator", () => {
  const document = {
    absolute_timeout: { hours: 8_760 },
    channels: { WEB: { absolute_timeout: { hours: 1_000 } } },
    rules: { geo_block: { mode: "OFF" } },
  };
  expect(parsePolicy(JSON.stringify(document)).overlay).toEqual({
    ...document,
    absolute_timeout: { hours: 720 },
    channels: { WEB: { absolute_timeout: { hours: 720 } } },
  });
  const paths = ["absolute_timeout.hours", "channels.WEB.absolute_timeout.hours"];
  expect(checkPolicy(document).faults?.map(({ path }) => path)).toEqual(paths);
  const beyond = '{"absolute_timeout":{"hours":8761}}';
  expect(parsePolicy(beyond).faults?.map(({ path }) => path)).toEqual(["absolute_timeout.hours"]);
});

test("every fault is named", () => {
  const { faults } = checkPolicy({
    idle_timeout: { minutes: 0 },
    max_concurrent_sessions: { count: -1, on_excess: "shrug", per_channel: { TV: 2 } },
    channels: { WEB: { session_retention: { days: 3 } } },
  });
  expect(faults?.map(({ path }) => path)).toEqual([
    "idle_timeout.minutes",
    "max_concurrent_sessions.count",
    "max_concurrent_sessions.on_excess",
    "max_concurrent_sessions.per_channel.TV",
    "channels.WEB.session_retention",
  ]);
});

describe("POL-08: vpn_action", () => {
  test.each([
    ["log_only", "LOG_ONLY"],
    ["step_up", "STEP_UP"],
  ])("%s is the action of the rule", (word, action) => {
    const { overlay } = checkPolicy({ vpn_action: { action: word } });
    expect(ruleSwitch(documentOf(overlay ?? {}), "vpn_detected", web())).toEqual({ action });
  });

  test("a tenant's word counts over the default's switch, a switch beside it over the word", () => {
    const base = documentOf({ rules: { vpn_detected: { action: "REVOKE", mode: "SHADOW" } } });
    const { overlay = {} } = checkPolicy({ vpn_action: { action: "log_only" } });
    expect(overlayPolicy(base, overlay).rules.vpn_detected).toEqual({
      action: "LOG_ONLY",
      mode: "SHADOW",
    });
    const both = checkPolicy({
      vpn_action: { action: "log_only" },
      rules: { vpn_detected: { action: "BLOCK" } },
    });
    expect(both.overlay?.rules?.vpn_detected).toEqual({ action: "BLOCK" });
  });
});
