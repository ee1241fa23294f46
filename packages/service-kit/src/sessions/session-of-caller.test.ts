import assert from "node:assert/strict";
import { test } from "vitest";
import type { Caller } from "../http/jwt.ts";
import { sessionOfCaller } from "./session-of-caller.ts";

const caller = (changes: Partial<Caller>): Caller =>
  ({ tenantId: "molam-sn", subject: "awa", sessionId: "s-1", ...changes }) as Caller;

test("a caller's session is named once, and has the caller's own names", () => {
  const awa = caller({});
  const name = sessionOfCaller(awa);
  assert.equal(name?.key, "molam-sn|awa|s-1");
  assert.equal(sessionOfCaller(awa), name);
});

test("callers with the same session, and of other sessions, have names of their own", () => {
  const [one, same, other] = [caller({}), caller({}), caller({ sessionId: "s-2" })];
  const names = [one, other, same].map(sessionOfCaller);
  assert.deepEqual(
    names.map((name) => name?.sessionId),
    ["s-1", "s-2", "s-1"],
  );
  assert.notEqual(names[0], names[2]);
});

test("a service has no session", () => {
  assert.equal(sessionOfCaller(caller({ sessionId: null })), null);
});
