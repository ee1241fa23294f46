import assert from "node:assert/strict";
import { userKey } from "@vigie/core/keys";
import { SECOND_MS } from "@vigie/core/time";
import type { SessionEpoch } from "@vigie/schemas/types";
import { test } from "vitest";
import { heartbeat, login, sessionsDriver, T0, TENANT } from "./testing.ts";

const SLACK_MS = 5 * SECOND_MS;

const epoch = (over: Partial<SessionEpoch> = {}): SessionEpoch => ({
  epoch_id: "ep-1",
  tenant_id: TENANT,
  scope: "TENANT",
  value: null,
  not_before: T0,
  reason: "security_incident",
  actor: { type: "ADMIN", id: "a-1", impersonator_id: null },
  ...over,
});

type Stage = ReturnType<typeof sessionsDriver>;

const write = ({ driver }: Stage, record: SessionEpoch): void => {
  const { tenant_id, scope, value } = record;
  driver.setGlobal("epochs", `${tenant_id}|${scope}|${value ?? ""}`, record);
};

/** A login of any user of any tenant. */
const signIn = (stage: Stage, ms: number, over: Partial<ReturnType<typeof login>>): void => {
  stage.driver.advanceTo(ms);
  const value = login({ occurred_at: ms, ...over });
  stage.driver.pipe("id.login", userKey(value.tenant_id, value.user_id), value);
};

const revokedIds = (stage: Stage): string[] =>
  stage
    .revoked()
    .map(({ session_id }) => session_id)
    .sort();

test("REV-07: an epoch revokes what began before it, of its tenant alone, and says so once a session", () => {
  const stage = sessionsDriver(T0 - SECOND_MS);
  signIn(stage, T0, { user_id: "u-1", session_id: "s-1" });
  signIn(stage, T0, { user_id: "u-2", session_id: "s-2" });
  signIn(stage, T0, { user_id: "u-3", session_id: "s-3", tenant_id: "other" });
  write(stage, epoch({ not_before: T0 + SECOND_MS }));
  const revoked = stage.revoked();
  assert.deepEqual(revoked.map(({ session_id }) => session_id).sort(), ["s-1", "s-2"]);
  for (const { actor, epoch_id, reason } of revoked) {
    assert.equal(epoch_id, "ep-1");
    assert.equal(reason, "security_incident");
    assert.equal(actor.id, "a-1");
  }
  const agents = stage.audits().map(({ actor }) => [actor.type, actor.user_agent]);
  const byAdmin = ["ADMIN", "unknown"];
  assert.deepEqual(agents, [byAdmin, byAdmin], "AUD-11: an epoch does not tell of one");
  stage.driver.restore();
  write(stage, epoch({ not_before: T0 + SECOND_MS }));
  assert.deepEqual(stage.revoked(), []);
});

test("an epoch of a scope that is not known revokes nobody, whatever key it has", () => {
  const stage = sessionsDriver();
  signIn(stage, T0, { session_id: "s-1" });
  stage.driver.setGlobal("epochs", `${TENANT}|TENANT|`, epoch({ scope: "UNKNOWN" }));
  assert.deepEqual(stage.revoked(), []);
});

for (const [scope, value, others] of [
  ["ORG", "org-1", { org_id: "org-2" }],
  ["ROLE", "agent", { roles: ["customer"] }],
  ["CHANNEL", "MOBILE", { channel: "WEB" }],
] as const) {
  test(`REV-08: an epoch of scope ${scope} means its own sessions only`, () => {
    const stage = sessionsDriver(T0 - SECOND_MS);
    const mine = { org_id: "org-1", roles: ["agent"], channel: "MOBILE" as const };
    signIn(stage, T0, { user_id: "u-1", session_id: "in", ...mine });
    signIn(stage, T0, { user_id: "u-1", session_id: "out", ...mine, ...others });
    write(stage, epoch({ scope, value }));
    assert.deepEqual(revokedIds(stage), ["in"]);
  });
}

test("a session that begins after an epoch lives, but for its first five seconds", () => {
  const stage = sessionsDriver(T0 - SECOND_MS);
  write(stage, epoch());
  signIn(stage, T0 + SLACK_MS, { session_id: "s-1" });
  assert.deepEqual(revokedIds(stage), ["s-1"]);
  signIn(stage, T0 + SLACK_MS + 1, { session_id: "s-2" });
  assert.deepEqual(revokedIds(stage), []);
});

test("a login that comes late is revoked at once; a start that nobody knows is older than every epoch", () => {
  const stage = sessionsDriver(T0 - SECOND_MS);
  stage.driver.advanceTo(T0);
  stage.at(T0, "id.heartbeat", heartbeat({ session_id: "adopted" }));
  stage.published();
  write(stage, epoch({ not_before: T0 - 10 * SECOND_MS }));
  assert.deepEqual(revokedIds(stage), ["adopted"]);
  signIn(stage, T0 + 20 * SECOND_MS, { session_id: "late", occurred_at: T0 - 20 * SECOND_MS });
  assert.deepEqual(revokedIds(stage), ["late"]);
  // Its login may yet come and tell that it began later: nobody is told of its end, and it does not live.
  stage.at(T0 + 30 * SECOND_MS, "id.heartbeat", heartbeat({ session_id: "unvouched" }));
  assert.deepEqual(revokedIds(stage), []);
  signIn(stage, T0 + 31 * SECOND_MS, { session_id: "unvouched" });
  assert.equal(stage.published().at(-1)?.status, "ACTIVE");
});

test("a role that a later login tells of brings a session under the epoch of that role", () => {
  const stage = sessionsDriver(T0 - SECOND_MS);
  write(stage, epoch({ scope: "ROLE", value: "agent", not_before: T0 + SECOND_MS }));
  signIn(stage, T0, { session_id: "s-1", roles: [] });
  assert.deepEqual(revokedIds(stage), []);
  signIn(stage, T0 + SECOND_MS, { session_id: "s-1", roles: ["agent"] });
  assert.deepEqual(revokedIds(stage), ["s-1"]);
});

test("the greatest epoch of a scope wins, in whatever order they are written", () => {
  const stage = sessionsDriver(T0 - SECOND_MS);
  write(stage, epoch({ epoch_id: "later", not_before: T0 + 60 * SECOND_MS }));
  write(stage, epoch({ epoch_id: "earlier", not_before: T0 - 60 * SECOND_MS }));
  signIn(stage, T0 + 30 * SECOND_MS, { session_id: "s-1" });
  assert.equal(stage.revoked()[0]?.epoch_id, "later");
});

test("POL-05: a shorter idle timeout ends sessions at once that it has outlived", () => {
  const stage = sessionsDriver(T0 - SECOND_MS);
  signIn(stage, T0, { session_id: "s-1" });
  stage.driver.advanceTo(T0 + 600 * SECOND_MS);
  stage.published();
  const document = JSON.stringify({ idle_timeout: { minutes: 5 } });
  const actor = { type: "ADMIN", id: "a-1", impersonator_id: null } as const;
  const policy = { tenant_id: TENANT, version: 2, updated_at: T0, actor, document };
  stage.driver.setGlobal("policies", TENANT, policy);
  assert.equal(stage.published().at(-1)?.status, "IDLE_EXPIRED");
});
