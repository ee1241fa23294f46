import assert from "node:assert/strict";
import { test } from "vitest";
import { DAKAR } from "./support/events.ts";
import { allServices, TENANT } from "./support/pipeline.ts";
import { testPipeline } from "./support/test-pipeline.ts";
import { until, untilTrue } from "./support/until.ts";

/** Who acts as whom, what other services tell, and an edge that is killed: from the call to the log. */

const USER = "moussa.fall-77";
const ADMIN_ID = "adm-9";
const AUDITOR = { sub: "auditor", scope: "id:audit platform:admin" };
const ACCOUNTS = { sub: "accounts", scope: "audit:write" };
const ADMIN = { sub: "console", scope: "id:admin" };
/** The token of somebody who acts as the user. */
const ACTING = {
  sub: USER,
  sid: "s-2",
  user_type: "EXTERNAL",
  scope: "",
  act: { sub: ADMIN_ID },
};

// With all that an erasure waits for.
const { pipeline, events } = await testPipeline([...allServices, "geo"]);

interface Entry {
  readonly action: string;
  readonly emitter: string;
  readonly actor: { readonly type: string; readonly ref: string | null };
  readonly impersonator: string | null;
  readonly impersonated: string | null;
  readonly subject: string | null;
  readonly is_impersonation: boolean;
  readonly payload: Readonly<Record<string, unknown>> | null;
}

async function call(claims: object, method: string, path: string, body?: object) {
  const headers = {
    authorization: `Bearer ${pipeline.token({ ...claims })}`,
    ...(body !== undefined && { "content-type": "application/json" }),
  };
  const sent = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
  return until(`${method} ${path} is answered`, async () => {
    const response = await fetch(pipeline.service("edge").url + path, sent).catch(() => null);
    return response === null || response.status >= 500 || response.status === 401 ? null : response;
  });
}

async function entriesOf(query: string): Promise<readonly Entry[]> {
  const response = await call(AUDITOR, "GET", `/api/id/admin/audit?${query}`);
  const { entries } = (await response.json()) as { readonly entries: readonly Entry[] };
  return entries;
}

const entryOf = (query: string, deadlineMs?: number): Promise<Entry> =>
  until(`the audit shows ${query}`, async () => (await entriesOf(query))[0], deadlineMs);

test("AUD-12: what is done in somebody's name is on record with both, by edge and processor", async () => {
  for (const sessionId of ["s-1", "s-2"]) {
    await pipeline.producer.send("id.login", [events.login({ userId: USER, sessionId, ...DAKAR })]);
  }
  const read = await call(ACTING, "GET", "/api/id/sessions/me");
  assert.equal(read.status, 200);
  const revoked = await call(ACTING, "POST", "/api/id/sessions/s-1/revoke", {});
  assert.ok(revoked.ok, await revoked.text());

  const acted = await entryOf(`subject=${USER}&action=impersonation.acted`);
  const ended = await entryOf(`subject=${USER}&action=session.revoked`);
  for (const entry of [acted, ended]) {
    assert.equal(entry.is_impersonation, true);
    assert.equal(entry.impersonated, entry.subject);
    assert.equal(entry.impersonated, entry.actor.ref);
    assert.notEqual(entry.impersonator, null);
    assert.notEqual(entry.impersonator, entry.impersonated);
  }
  assert.equal(acted.impersonator, ended.impersonator);
  assert.ok(acted.emitter.startsWith("edge.") && ended.emitter.startsWith("vigie.sessions."));
  const marked = await entriesOf("impersonation=true");
  const routes = marked.filter(({ action }) => action === "impersonation.acted");
  assert.deepEqual(routes.map(({ payload }) => payload?.route).sort(), [
    "/api/id/sessions/:id/revoke",
    "/api/id/sessions/me",
  ]);
});

test("AUD-07, AUD-13: what other services tell is in the same log, and in admin_audit_logs", async () => {
  const actor = { type: "ADMIN", id: ADMIN_ID, user_agent: "Mozilla/5.0 Firefox/130.0" };
  const told = { occurred_at: Date.now(), actor, subject_user_id: USER };
  const reports = [
    {
      ...told,
      action: "impersonation_start",
      impersonator_id: ADMIN_ID,
      details: { reason: "a ticket of the support" },
    },
    { ...told, action: "impersonation_stop", impersonator_id: ADMIN_ID },
    { ...told, action: "user.deactivated" },
  ];
  for (const report of reports) {
    const response = await call(ACCOUNTS, "POST", "/v1/audit/records", report);
    assert.equal(response.status, 200, await response.text());
  }
  const started = await entryOf(`subject=${USER}&action=impersonation_start`);
  const deactivated = await entryOf(`subject=${USER}&action=user.deactivated`);
  assert.deepEqual(started.payload?.details, { reason: "a ticket of the support" });
  assert.equal(started.impersonator, started.actor.ref);
  assert.equal(started.impersonated, deactivated.subject);
  assert.deepEqual([deactivated.is_impersonation, deactivated.impersonator], [false, null]);
  const rows = await until("they are among the administrators' deeds", async () => {
    const { rows: found } = await pipeline.database.query<{ readonly action_type: string }>(
      `select action_type from admin_audit_logs
        where target_identifier = $1 and user_agent <> '' order by id`,
      [started.subject],
    );
    return found.length < 5 ? null : found;
  });
  const names = new Set(rows.map(({ action_type }) => action_type));
  for (const { action } of reports) assert.ok(names.has(action), action);
});

test("a killed edge leaves its series open, and the start of the next one has that noticed", async () => {
  const edge = pipeline.service("edge");
  const opened = await until("its series is on record", async () => {
    const entries = await entriesOf("action=audit.series_opened&tenant=*");
    return entries.find(({ emitter }) => emitter.startsWith("edge."));
  });
  await edge.kill();
  await edge.start();
  await untilTrue("the broken series is waited for, with no end known", async () => {
    const { rows } = await pipeline.database.query<{ readonly pending: unknown }>(
      "select pending from audit_emitters where emitter = $1 and not closed",
      [opened.emitter],
    );
    return JSON.stringify(rows[0]?.pending ?? []).includes('"to":null');
  });
});

test("PRV-14: the end of an erasure is on record, and names nobody", async () => {
  const asked = await call(ADMIN, "POST", `/api/id/admin/users/${USER}/erase`);
  const { erasure_id } = (await asked.json()) as { readonly erasure_id: string };
  // Its end is looked for every 10 s.
  const done = await entryOf(`action=privacy.erasure_done&tenant=${TENANT}`, 60_000);
  assert.equal(done.payload?.erasure_id, erasure_id);
  assert.equal(done.subject, null);
  assert.ok(Object.keys(done.payload?.parts as object).includes("audit-sink"));
});
