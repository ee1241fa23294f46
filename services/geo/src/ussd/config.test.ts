import assert from "node:assert/strict";
import { DAY_MS, MINUTE_MS } from "@vigie/core/time";
import { parseConfig } from "@vigie/service-kit/config";
import { describe, expect, test } from "vitest";
import { redisAway } from "../test-geo.ts";
import { providersOf, ussdConfig, ussdParts } from "./config.ts";

const SECRET = "9f8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d";
const OTHER = "1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d";

const namesOf = (env: Record<string, string>): readonly string[] => {
  const parsing = parseConfig(ussdConfig, env);
  assert.ok("config" in parsing);
  return providersOf(parsing.config).map(({ name }) => name);
};
const faults = (env: Record<string, string>): string => {
  const parsing = parseConfig(ussdConfig, env);
  return "faults" in parsing ? parsing.faults.join("\n") : "";
};

describe("USS-08: which providers are served", () => {
  test("our own always, the others by their secrets", () => {
    expect(namesOf({})).toEqual(["vigie"]);
    expect(
      namesOf({
        AFRICASTALKING_PATH_SECRETS: SECRET,
        AFRICASTALKING_SOURCES: "196.201.214.0/24",
        INFOBIP_PATH_SECRETS: OTHER,
        INFOBIP_SOURCES: "193.105.74.0/24,2001:db8::/32",
        TWILIO_AUTH_TOKENS: OTHER,
        USSD_PUBLIC_URL: "https://geo.molam.example",
      }),
    ).toEqual(["vigie", "africastalking", "infobip", "twilio"]);
  });

  test.each([
    ["AFRICASTALKING_SOURCES", { AFRICASTALKING_PATH_SECRETS: SECRET }],
    ["INFOBIP_SOURCES", { INFOBIP_PATH_SECRETS: SECRET }],
    ["USSD_PUBLIC_URL", { TWILIO_AUTH_TOKENS: SECRET }],
  ])("%s has to be there with the secret", (name, env) => {
    assert.match(faults(env), new RegExp(`${name} is missing`));
  });

  test.each([
    ["AFRICASTALKING_PATH_SECRETS", { AFRICASTALKING_SOURCES: "196.201.214.0/24" }],
    ["INFOBIP_PATH_SECRETS", { INFOBIP_SOURCES: "193.105.74.0/24" }],
    ["TWILIO_AUTH_TOKENS", { USSD_PUBLIC_URL: "https://geo.molam.example" }],
  ])("without %s nobody would be served, and that is said", (name, env) => {
    assert.match(faults(env), new RegExp(`is set, but ${name} is not`));
  });

  test("a list of nothing but blanks is none", () => {
    const env = { INFOBIP_PATH_SECRETS: SECRET, INFOBIP_SOURCES: " , " };
    assert.match(faults(env), /INFOBIP_SOURCES is missing/);
  });

  test("production has no phone's input come in clear", () => {
    const env = {
      NODE_ENV: "production",
      USSD_WEBHOOK_SECRET: SECRET,
      TWILIO_AUTH_TOKENS: OTHER,
      USSD_PUBLIC_URL: "http://geo.molam.example",
    };
    assert.match(faults(env), /USSD_PUBLIC_URL is http/);
    assert.equal(faults({ ...env, NODE_ENV: "development" }), "");
  });

  test("addresses that are none are refused", () => {
    const env = { AFRICASTALKING_PATH_SECRETS: SECRET, AFRICASTALKING_SOURCES: "196.201.214.0/33" };
    assert.match(faults(env), /AFRICASTALKING_SOURCES has 196\.201\.214\.0\/33/);
  });
});

test("production refuses the default secret, a short one, and one that repeats itself", () => {
  const production = { NODE_ENV: "production" };
  assert.match(faults(production), /USSD_WEBHOOK_SECRET is missing/);
  for (const bad of ["vigie-development-ussd", "short", "a".repeat(40)]) {
    assert.match(faults({ ...production, USSD_WEBHOOK_SECRET: bad }), /USSD_WEBHOOK_SECRET/, bad);
  }
  assert.equal(faults({ ...production, USSD_WEBHOOK_SECRET: SECRET }), "");
  const path = {
    USSD_WEBHOOK_SECRET: SECRET,
    INFOBIP_PATH_SECRETS: "x",
    INFOBIP_SOURCES: "1.2.3.4",
  };
  assert.match(faults({ ...production, ...path }), /INFOBIP_PATH_SECRETS/);
});

test("a dialogue is kept for minutes, that its id was used for a day", async () => {
  const parsing = parseConfig(ussdConfig, {});
  assert.ok("config" in parsing);
  let kept: readonly unknown[] = [];
  const script = () => async (_keys: readonly string[], args: readonly unknown[]) => {
    kept = args;
    return 1;
  };
  const { dialogues } = ussdParts(parsing.config, { ...redisAway, script });
  const one = { first: "", steps: 0, mark: "", stepsBefore: 0, markBefore: "", answered: null };
  await dialogues.swap("d-1", { ...one, version: 1, answeredAtMs: 0, busyUntilMs: 0 });
  assert.deepEqual(kept.slice(-2), [3 * MINUTE_MS, DAY_MS]);
});
