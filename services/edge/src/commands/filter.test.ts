import fc from "fast-check";
import { expect, test } from "vitest";
import { type Filter, planOf } from "./filter.ts";

const user = (target: object) => ({ kind: "user", userId: "u", target });
const epoch = (scope: string, value: string | null) => ({ kind: "epoch", scope, value });
const search = { kind: "search" };

test.each<readonly [Filter, object]>([
  [{ userId: "u" }, user({ kind: "all", keepSessionId: null })],
  [{ userId: "u", tenantId: "t" }, user({ kind: "all", keepSessionId: null })],
  [{ userId: "u", sessionId: "s" }, user({ kind: "session", sessionId: "s" })],
  [{ userId: "u", deviceId: "d" }, user({ kind: "device", deviceId: "d" })],
  [{ userId: "u", channel: "WEB" }, user({ kind: "channel", channel: "WEB" })],
  [{ userId: "u", deviceId: "d", channel: "WEB" }, search],
  [{ userId: "u", orgId: "o" }, search],
  [{ userId: "u", country: "SN" }, search],
  [{ orgId: "o" }, epoch("ORG", "o")],
  [{ orgId: "o", tenantId: "t" }, epoch("ORG", "o")],
  [{ role: "r" }, epoch("ROLE", "r")],
  [{ channel: "USSD" }, epoch("CHANNEL", "USSD")],
  [{ tenantId: "t" }, epoch("TENANT", null)],
  [{ orgId: "o", role: "r" }, search],
  [{ sessionId: "s" }, search],
  [{ deviceId: "d" }, search],
  [{ country: "SN" }, search],
])("%o is acted on by %o", (filter, plan) => {
  expect(planOf(filter, null)).toEqual(plan);
});

test("a filter that names nothing never means everything", () => {
  expect(() => planOf({}, null)).toThrow(/names nothing/);
});

test("no part of a filter is ever left out of what is done", () => {
  const word = fc.option(fc.string({ minLength: 1 }), { nil: undefined });
  const channel = fc.constantFrom("MOBILE", "WEB", undefined);
  const fields = { userId: word, sessionId: word, deviceId: word, orgId: word, role: word };
  const filters = fc.record({ ...fields, country: word, channel });
  fc.assert(
    fc.property(filters, (drawn) => {
      const given = Object.entries(drawn).filter(([, value]) => value !== undefined);
      if (given.length === 0) return;
      const plan = planOf(Object.fromEntries(given) as Filter, null);
      if (plan.kind === "search") return;
      const said = JSON.stringify(plan);
      for (const [, value] of given) expect(said).toContain(JSON.stringify(value));
    }),
  );
});
