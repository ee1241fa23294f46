import assert from "node:assert/strict";
import { uuidOf } from "@vigie/service-kit/ids";
import { memoryView } from "@vigie/service-kit/sessions/memory-view";
import type { DeniableSession } from "@vigie/service-kit/sessions/view";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { addPerson, sessionRow } from "../inventory/test-tables.ts";
import type { CommandEdge } from "./test-processor.ts";
import { call, TENANT, type TestStores, testStores } from "./test-stores.ts";

let tables: TestStores;
beforeAll(async () => {
  tables = await testStores();
});
afterAll(() => tables.close());
beforeEach(() => tables.clear());

describe("REV-03: a dry run", () => {
  const denied = {
    ...memoryView(),
    denialOf: ({ sessionId }: DeniableSession) =>
      sessionId === "s-1" ? ({ by: "revocation", deniedAtMs: 0 } as const) : null,
  };

  test.each([
    [{ user_id: "usr_1" }, 2, 1],
    [{ user_id: "usr_1", session_id: "s-2" }, 1, 1],
    [{ user_id: "usr_1", session_id: "s-3" }, 0, 0],
    [{ session_id: "s-3" }, 1, 1],
    [{ session_id: "s-7" }, 0, 0],
    [{ device_id: "d-1" }, 2, 2],
    [{ channel: "web" }, 1, 1],
    [{ org_id: "pay" }, 2, 1],
    [{ role: "teller" }, 1, 1],
    [{ role: "customer" }, 3, 2],
    [{ country: "FR" }, 2, 2],
    [{ country: "FR", org_id: "pay" }, 1, 1],
    [{ tenant_id: TENANT }, 4, 2],
    [{ org_id: "x' or '1'='1" }, 0, 0],
  ])("%o means %d sessions of %d people, and nothing is done", async (filter, sessions, users) => {
    await tables.addSessions();
    const edge = tables.edgeOn();
    const response = await call(edge, { payload: { filter, dry_run: true } });
    assert.equal(response.statusCode, 200, response.body);
    const { status, is_exact, ...counted } = response.json();
    expect(counted).toMatchObject({ sessions, users });
    assert.deepEqual([status, is_exact], ["counted", true]);
    assert.deepEqual(edge.commands, []);
    assert.equal((await tables.owner.query("select from outbox")).count, 0);
    expect(edge.audit.entries).toMatchObject([{ action: "session.revoke_counted" }]);
  });

  test.each(["s-2", uuidOf(TENANT, "session", "s-2")])(
    "the session to spare is not counted: %s",
    async (keep_session_id) => {
      await tables.addSessions();
      const payload = { filter: { user_id: "usr_1" }, keep_session_id, dry_run: true };
      const response = await call(tables.edgeOn(), { payload });
      assert.equal(response.json().sessions, 1);
    },
  );

  test("what was revoked a moment ago does not count", async () => {
    await tables.addSessions();
    const edge = tables.edgeOn({ view: denied });
    const response = await call(edge, { payload: { filter: { org_id: "pay" }, dry_run: true } });
    assert.equal(response.json().sessions, 1);
  });
});

describe("REV-03: what one command cannot say", () => {
  test("sessions of a country are commanded one by one, in a batch", async () => {
    await tables.addSessions();
    const edge = tables.edgeOn();
    const response = await call(edge, { payload: { filter: { country: "FR" } } });
    assert.equal(response.statusCode, 202, response.body);
    const { batch_id, commands, users, next } = response.json();
    assert.deepEqual([commands, users, next], [3, 2, null]);
    assert.equal(response.headers.location, `/api/id/admin/batches/${batch_id}`);
    const keyOf = ({ session_id }: { session_id: string | null }) => String(session_id);
    const sent = [...edge.commands].sort((a, b) => keyOf(a).localeCompare(keyOf(b)));
    expect(sent).toMatchObject([
      { kind: "REVOKE_SESSION", batch_id, user_id: "usr_1", session_id: "s-1" },
      { kind: "REVOKE_SESSION", batch_id, user_id: "usr_2", session_id: "s-3" },
      // Past the end that its row tells; the processor decides.
      { kind: "REVOKE_SESSION", batch_id, user_id: "usr_1", session_id: "s-6" },
    ]);
    expect(edge.audit.entries).toMatchObject([{ payload: { acts_by: "search" } }]);
  });

  test("a device alone is commanded once a user who has it", async () => {
    await tables.addSessions();
    await tables.insert("user_sessions", [sessionRow({ session: "s-8", device: "d-1" })]);
    const edge = tables.edgeOn();
    const response = await call(edge, { payload: { filter: { device_id: "d-1" } } });
    assert.equal(response.json().commands, 2);
    assert.ok(edge.commands.every((each) => each.kind === "REVOKE_DEVICE"));
    assert.deepEqual(new Set(edge.keys), new Set([`${TENANT}|usr_1`, `${TENANT}|usr_2`]));
  });

  test("a session is found without its user; another tenant's is not", async () => {
    await tables.addSessions();
    const edge = tables.edgeOn();
    const found = await call(edge, { payload: { filter: { session_id: "s-3" } } });
    assert.equal(found.statusCode, 202);
    expect(edge.commands).toMatchObject([{ user_id: "usr_2", session_id: "s-3" }]);
    for (const session_id of ["s-7", "s-none"]) {
      const response = await call(edge, { payload: { filter: { session_id } } });
      assert.equal(response.statusCode, 404);
    }
    assert.equal(edge.commands.length, 1);
  });

  test("REV-05: a repetition has the same commands, at another edge too", async () => {
    await tables.addSessions();
    const headers = { "idempotency-key": "k-1" };
    const payload = { filter: { country: "FR" } };
    const [one, other] = [tables.edgeOn(), tables.edgeOn()];
    for (const edge of [one, one, other]) await call(edge, { payload, headers });
    const idsOf = (edge: CommandEdge) => edge.commands.map((each) => each.command_id).sort();
    assert.equal(one.commands.length, 3);
    assert.deepEqual(idsOf(one), idsOf(other));
    assert.equal(one.audit.entries.length, 1);
  });

  test("more than one page goes on where the last one ended", async () => {
    await addPerson(tables, TENANT, "usr_1");
    const rows = Array.from({ length: 1_001 }, (_, i) =>
      sessionRow({ session: `p-${i}`, row: { country: "ML" } }),
    );
    await tables.insert("user_sessions", rows);
    const edge = tables.edgeOn();
    const filter = { country: "ML" };
    const first = (await call(edge, { payload: { filter } })).json();
    assert.equal(first.commands, 1_000);
    const second = (await call(edge, { payload: { filter, after: first.next } })).json();
    assert.deepEqual([second.commands, second.next], [1, null]);
    assert.equal(new Set(edge.commands.map((each) => each.session_id)).size, 1_001);
  });
});
