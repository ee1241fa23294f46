import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openCheckpoint } from "@vigie/audit-log/checkpoint";
import { parseVerifierKey } from "@vigie/audit-log/note";
import { verifyInclusion } from "@vigie/audit-log/proofs";
import { leafHash } from "@vigie/audit-log/tree";
import { test } from "vitest";
import { DAKAR } from "./support/events.ts";
import { TENANT } from "./support/pipeline.ts";
import { run } from "./support/processes.ts";
import { count } from "./support/read-model.ts";
import { testPipeline } from "./support/test-pipeline.ts";
import { Hopeless, until, untilTrue } from "./support/until.ts";

/** One person, from a login to an erasure; and what an auditor can say of it who trusts nobody. */

const AWA = "awa.sarr-4410";
const SESSION = "s-4410";
/** Source: docs/audit-format.md, exit codes of the verifier. */
const EXIT = { intact: 0, tampered: 1, erased: 3 } as const;

const { pipeline, events } = await testPipeline();
const { directory, verifierKey } = pipeline;

const ADMIN = { sub: "console", scope: "id:admin" };
const AUDITOR = { sub: "auditor", scope: "id:audit platform:admin" };
const PAY = { sub: "pay", scope: "id:introspect" };

interface Call {
  readonly method?: "GET" | "POST" | "PUT";
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

async function call(claims: object, path: string, options: Call = {}): Promise<Response> {
  const { method = "GET", body, headers = {} } = options;
  return fetch(pipeline.service("edge").url + path, {
    method,
    headers: {
      authorization: `Bearer ${pipeline.token({ ...claims })}`,
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

/** Tries again while a part is not ready yet. */
async function succeed(claims: object, path: string, options: Call = {}): Promise<Response> {
  return until(`${path} succeeds`, async () => {
    const response = await call(claims, path, options);
    if (response.ok) return response;
    const fault = `${response.status}: ${await response.text()}`;
    throw response.status >= 500 || response.status === 404
      ? new Error(fault)
      : new Hopeless(fault);
  });
}

/** A revocation, a policy change, a read, a label, a refused attempt: each by HTTP. */
async function act(): Promise<void> {
  const hers = { userId: AWA, sessionId: SESSION, ...DAKAR };
  await pipeline.producer.send("id.login", [events.login(hers)]);
  const failures = Array.from({ length: 8 }, () => events.mfa({ ...hers, kind: "FAIL" }));
  await pipeline.producer.send("id.mfa", failures);
  const anomaly = await until("an anomaly of hers is stored", async () => {
    const { rows } = await pipeline.database.query<{ anomaly_id: string }>(
      "select anomaly_id from session_anomalies where user_key = $1",
      [AWA],
    );
    return rows[0]?.anomaly_id;
  });
  await succeed(ADMIN, `/api/id/admin/users/${AWA}/anomalies`);
  const label = { label: "false_positive" };
  await succeed(ADMIN, `/api/id/admin/anomalies/${anomaly}/label`, { method: "POST", body: label });
  await succeed(ADMIN, "/api/id/admin/sessions/policies", {
    method: "PUT",
    body: { idle_timeout: { minutes: 20 } },
    headers: { "if-match": '"0"' },
  });
  const filter = { user_id: AWA, session_id: SESSION };
  const revoke = { method: "POST", body: { filter, reason: "lost phone" } } as const;
  await succeed(ADMIN, "/api/id/admin/sessions/revoke", revoke);
  const denied = await call(PAY, `/api/id/admin/sessions/user/${AWA}`);
  assert.equal(denied.status, 403);
}

interface Entry {
  readonly index: number;
  readonly action: string;
  readonly actor: { readonly type: string; readonly ref: string | null };
  readonly subject: string | null;
  readonly payload: Readonly<Record<string, unknown>> | null;
  readonly persons: readonly { readonly ref: string; readonly state: string }[];
}

async function search(query: string): Promise<readonly Entry[]> {
  const response = await succeed(AUDITOR, `/api/id/admin/audit?${query}`);
  const body = (await response.json()) as { readonly entries: readonly Entry[] };
  return body.entries;
}

const found = (query: string): Promise<Entry> =>
  until(`the audit shows ${query}`, async () => (await search(query))[0]);

/** The newest checkpoint of the topic: what an auditor follows, without asking the edge or the database. */
async function checkpointOfTopic(): Promise<string> {
  const records = await pipeline.reader.all("id.audit.checkpoint");
  return String(records.at(-1)?.value);
}

const sizeOf = (note: string): number => Number(note.split("\n")[1]);

/** Of the first line of an export. */
const treeSizeOf = (text: string): number =>
  (JSON.parse(text.slice(0, text.indexOf("\n"))) as { readonly tree_size: number }).tree_size;

/** A whole export that holds leaf `index` at least, checked by the verifier as an auditor runs it. */
async function verifyExport(name: string, index: number) {
  const newest = await until("a checkpoint covers the leaf", async () => {
    const note = await checkpointOfTopic();
    return sizeOf(note) > index ? note : null;
  });
  const checkpoint = join(directory, `${name}.checkpoint`);
  writeFileSync(checkpoint, newest);
  const file = join(directory, `${name}.ndjson`);
  // The topic has a checkpoint first; the database, which exports end by, some ms later.
  const whole = await until("an export reaches the checkpoint", async () => {
    const text = await (await succeed(AUDITOR, "/api/id/admin/audit/export?tenant=*")).text();
    return treeSizeOf(text) >= sizeOf(newest) ? text : null;
  });
  writeFileSync(file, whole);
  const args = [file, "--key", verifierKey, "--checkpoint", checkpoint];
  const { code, text } = await run(["scripts/audit-verify/main.mjs", ...args], {});
  return { code, text, file, newest };
}

const fsck = (...args: readonly string[]) =>
  run(["services/audit-sink/src/main.ts", "fsck", "--topic", ...args], pipeline.env);

test("AUD-01, AUD-05, AUD-08: what was done is found, exported, and verified by who trusts nobody", async () => {
  await act();
  const revoked = await found(`subject=${AWA}&action=session.revoked`);
  assert.equal(revoked.actor.type, "ADMIN");
  assert.equal(revoked.payload?.reason, "lost phone");
  assert.ok(revoked.persons.every(({ state }) => state === "opened"));
  await found(`subject=${AWA}&action=anomalies.read`);
  await found(`subject=${AWA}&action=anomaly.label_requested`);
  const denied = await found("action=access.denied");
  const changed = await found("action=policy.updated");
  assert.deepEqual(changed.payload?.before, {});
  assert.deepEqual(changed.payload?.after, { idle_timeout: { minutes: 20 } });

  const newest = Math.max(revoked.index, denied.index, changed.index);
  const { code, text, newest: note } = await verifyExport("before", newest);
  assert.equal(code, EXIT.intact, text);
  const intact = await fsck();
  assert.equal(intact.code, EXIT.intact, intact.text);

  // One entry against the checkpoint of the topic: three answers, and no word of theirs is believed.
  const key = parseVerifierKey(verifierKey);
  const { size, root } = openCheckpoint(note, { origin: key.name, keys: [key] });
  const whole = await (
    await succeed(AUDITOR, `/api/id/admin/audit/entries/${revoked.index}`)
  ).json();
  const { leaf } = whole as { readonly leaf: string };
  const query = `index=${revoked.index}&size=${size}`;
  const proven = await succeed(AUDITOR, `/api/id/admin/audit/proofs/inclusion?${query}`);
  const { proof } = (await proven.json()) as { readonly proof: readonly string[] };
  const claim = {
    index: BigInt(revoked.index),
    size,
    leafHash: leafHash(Buffer.from(leaf)),
    proof: proof.map((hash) => Buffer.from(hash, "base64")),
    root,
  };
  assert.ok(verifyInclusion(claim));
  assert.ok(!verifyInclusion({ ...claim, leafHash: leafHash(Buffer.from(`${leaf} `)) }));
});

test("AUD-09 to AUD-11: administrators' deeds are in admin_audit_logs, by pseudonym", async () => {
  const { rows } = await pipeline.database.query(
    `select target_identifier, is_impersonation, user_agent, new_value -> 'before' as before
       from admin_audit_logs where action_type = 'policy.updated'`,
  );
  // Node's own fetch names itself, which is no browser.
  const row = {
    target_identifier: TENANT,
    is_impersonation: false,
    user_agent: "other",
    before: {},
  };
  assert.deepEqual(rows, [row]);
  const everything = await count(pipeline, "audit_log held where held::text like $1", [`%${AWA}%`]);
  assert.equal(everything, 0);
});

test("CNF-20: after an erasure nobody reads what is gone, and the proofs hold as before", async () => {
  const [before] = await search(`subject=${AWA}&action=session.revoked`);
  const erase = await succeed(ADMIN, `/api/id/admin/users/${AWA}/erase`, { method: "POST" });
  assert.equal(erase.status, 202);
  const { index, payload } = await found("action=subject.key_destroyed");
  assert.deepEqual(payload, { ref: before?.subject });
  const shown = (await search(`subject=${before?.subject}&action=session.revoked`))[0];
  assert.equal(shown?.payload, null);
  const hers = shown?.persons.find(({ ref }) => ref === before?.subject);
  assert.equal(hers?.state, "erased");
  assert.deepEqual(await search(`subject=${AWA}`), []);

  const { code, text } = await verifyExport("after", index);
  assert.equal(code, EXIT.erased, text);
  const intact = await fsck();
  assert.equal(intact.code, EXIT.intact, intact.text);
});

test("AUD-05: what is searched is rebuilt from the log while it runs, row by row the same", async () => {
  const rows = async () => {
    const all = "select held::text as row from audit_log held where index < $1 order by index";
    const { rows: found } = await pipeline.database.query<{ row: string }>(all, [size]);
    return found.map(({ row }) => row);
  };
  const size = await count(pipeline, "audit_leaves");
  await untilTrue("all of it is searched", async () => (await rows()).length === size);
  const before = await rows();
  const main = "services/audit-sink/src/main.ts";
  const { code, text } = await run([main, "rebuild"], pipeline.env);
  assert.equal(code, 0, text);
  assert.deepEqual(await rows(), before);
});

test("AUD-01: one row that was changed past all triggers is found by fsck and by the verifier", async () => {
  const { database } = pipeline;
  await database.query("alter table audit_leaves disable trigger user");
  await database.query(
    `update audit_leaves set leaf = convert_to(
       replace(convert_from(leaf, 'UTF8'), '"minutes":20', '"minutes":99'), 'UTF8')
      where index = (select index from audit_log where action = 'policy.updated')`,
  );
  const changed = await count(pipeline, "audit_log where action = 'policy.updated'");
  assert.equal(changed, 1);
  const { rows } = await database.query<{ index: number }>(
    "select index from audit_log where action = 'policy.updated'",
  );
  const index = rows[0]?.index ?? -1;

  const { code, text } = await fsck();
  assert.equal(code, EXIT.tampered, text);
  assert.match(text, new RegExp(`tampered: leaf ${index}: `));
  const verified = await verifyExport("tampered", index);
  assert.equal(verified.code, EXIT.tampered, verified.text);
  assert.match(verified.text, new RegExp(`leaf ${index}`));
});
