import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { type ClientRequest, get as httpGet, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { verifyInclusion } from "@vigie/audit-log/proofs";
import { leafHash } from "@vigie/audit-log/tree";
import { PROGRESS_EVERY } from "@vigie/service-kit/audit/export";
import type { AuditTrail } from "@vigie/service-kit/audit-trail/audit-trail";
import { memoryAudit } from "@vigie/service-kit/audit-trail/memory-audit";
import { eventually } from "@vigie/testkit/eventually";
import { afterEach, describe, test } from "vitest";
import { bearer, type TestEdge, testEdge } from "../test-edge.ts";
import type { AuditLog } from "./audit-log.ts";
import { smallLog, TENANT, TestLog, VERIFIER_KEY } from "./test-log.ts";

const URL = "/api/id/admin/audit/export";
const VERIFIER = join(import.meta.dirname, "../../../../scripts/audit-verify/main.mjs");
const auditor = { tenant_id: TENANT, sub: "aud_1", user_type: "INTERNAL", scope: "id:audit" };
const platform = { ...auditor, scope: "id:audit platform:admin" };

const edges: TestEdge[] = [];
afterEach(async () => {
  for (const edge of edges.splice(0)) await edge.app.close();
});

function edgeOver(auditLog: AuditLog, more: Parameters<typeof testEdge>[0] = {}): TestEdge {
  const edge = testEdge({ auditLog, ...more });
  edges.push(edge);
  return edge;
}

const exported = async (edge: TestEdge, query = "", claims: object = auditor) =>
  edge.app.inject({ url: `${URL}${query}`, headers: await bearer({ ...claims }) });

interface Line {
  readonly i?: number;
  readonly leaf: string;
  readonly proof: readonly string[];
  readonly opened?: object;
}

function parsed(body: string) {
  const lines = body.split("\n").slice(0, -1);
  const [header = "{}", ...rest] = lines;
  const values = rest.map((text) => JSON.parse(text));
  return {
    header: JSON.parse(header),
    leaves: values.filter(({ i }) => i !== undefined) as readonly Line[],
    progress: values.filter(({ progress }) => progress !== undefined),
    end: values.at(-1),
  };
}

/** The verdict of the verifier that auditors run, which shares no code with the writer. */
function verified(body: string): { readonly exit: number } {
  const args = [VERIFIER, "-", "--key", VERIFIER_KEY, "--json"];
  const { stdout, stderr } = spawnSync(process.execPath, args, { input: body, encoding: "utf8" });
  assert.equal(stderr, "");
  return JSON.parse(stdout);
}

describe("AUD-08: what is exported", () => {
  test("of a tenant: its leaves, each with a proof, and its erasures proven", async () => {
    const made = smallLog();
    const response = await exported(edgeOver(made.inMemory()));
    assert.equal(response.statusCode, 200, response.body);
    assert.match(String(response.headers["content-type"]), /^application\/x-ndjson/);
    assert.match(String(response.headers["content-disposition"]), /^attachment/);
    assert.equal(response.headers["cache-control"], "no-store");
    const { header, leaves, end } = parsed(response.body);
    assert.deepEqual(header.filter, { tenant: TENANT });
    assert.deepEqual(
      leaves.map(({ i }) => i),
      [0, 2, 3, 4, 5],
    );
    for (const { i, leaf, proof } of leaves) {
      const claim = {
        index: BigInt(i ?? -1),
        size: 6n,
        leafHash: leafHash(Buffer.from(leaf)),
        proof: proof.map((hash) => Buffer.from(hash, "base64")),
        root: made.signed().root,
      };
      assert.ok(verifyInclusion(claim));
    }
    assert.deepEqual(end, { end: true, leaves: 5 });
    assert.ok(!response.body.includes("molam-ci"));
    assert.equal(verified(response.body).exit, 3, "erased, and proven");
  });

  test("of all tenants, for the platform's own: the whole log", async () => {
    const made = new TestLog();
    for (let i = 0; i < 600; i++) made.add({ tenant: i % 2 === 0 ? TENANT : "molam-ci" });
    const edge = edgeOver(made.inMemory());
    assert.equal((await exported(edge, "?tenant=*")).json().code, "VIG_SCOPE_MISSING");
    assert.equal((await exported(edge, "?tenant=molam-ci")).json().code, "VIG_NOT_FOUND");
    const { body } = await exported(edge, "?tenant=*", platform);
    assert.equal(parsed(body).header.filter, null);
    assert.equal(verified(body).exit, 0);
    const forged = body.replace('\\"n\\":300', '\\"n\\":301');
    assert.equal(verified(forged).exit, 1);
  });

  test("by a filter: that, and the erasures that explain what does not open", async () => {
    const made = smallLog();
    const { body } = await exported(
      edgeOver(made.inMemory()),
      "?subject=usr_1&action=session.revoked",
    );
    const { header, leaves } = parsed(body);
    const subject = made.subjectOf(TENANT, "usr_1").ref;
    assert.deepEqual(header.filter, { tenant: TENANT, subject, action: "session.revoked" });
    assert.deepEqual(
      leaves.map(({ i }) => i),
      [0, 5],
    );
    assert.equal(verified(body).exit, 0);
  });

  test("sealed, where that is asked for or there are no keys", async () => {
    const made = smallLog();
    const asked = await exported(edgeOver(made.inMemory()), "?boxes=sealed");
    const keyless = await exported(edgeOver(made.inMemory({ canOpen: false })));
    for (const { body } of [asked, keyless]) {
      assert.equal(parsed(body).header.boxes, "sealed");
      assert.ok(parsed(body).leaves.every(({ opened }) => opened === undefined));
      assert.ok(!body.includes("usr_1"));
    }
  });
});

describe("AUD-08: how it is exported", () => {
  test("only what was signed", async () => {
    const { body } = await exported(edgeOver(smallLog().inMemory({ size: 3 })));
    const { header, leaves } = parsed(body);
    assert.equal(header.tree_size, 3);
    assert.deepEqual(
      leaves.map(({ i }) => i),
      [0, 2],
    );
  });

  test("how far it is, also while a filter lets nothing pass", async () => {
    const made = new TestLog();
    for (let i = 0; i < 2 * PROGRESS_EVERY + 10; i++) made.add();
    const { body } = await exported(edgeOver(made.inMemory()), "?action=policy.updated");
    const { progress, leaves } = parsed(body);
    assert.equal(leaves.length, 0);
    const of = 2 * PROGRESS_EVERY + 10;
    assert.deepEqual(progress, [
      { progress: { read: PROGRESS_EVERY, of } },
      { progress: { read: 2 * PROGRESS_EVERY, of } },
    ]);
  });

  test("the export is on record before its first byte, and names its filter by refs", async () => {
    const made = smallLog();
    const edge = edgeOver(made.inMemory());
    await exported(edge, "?subject=usr_1");
    const [record] = edge.audit.entries;
    assert.deepEqual([record?.action, record?.subjectUserId], ["audit.exported", "usr_1"]);
    assert.deepEqual(record?.payload, {
      filter: { tenant: TENANT, subject: made.subjectOf(TENANT, "usr_1").ref },
      boxes: "opened",
      tree_size: 6,
    });
  });
});

/** An export over a real connection, read as far as the test wants. */
async function begun(edge: TestEdge, query = "", claims: object = auditor) {
  const { app } = edge;
  if (!app.server.listening) await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const headers = await bearer({ ...claims });
  const request: ClientRequest = httpGet({ host: "127.0.0.1", port, path: URL + query, headers });
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return { request, response };
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = "";
  response.setEncoding("utf8");
  try {
    for await (const piece of response) text += piece;
  } catch {
    // Cut off: what came before is what the reader has.
  }
  return text;
}

/** Far more than sockets and streams take up: 64 MB. */
function endless(): AuditLog {
  const made = new TestLog().add({ payload: "x".repeat(60_000) });
  const [leaf] = made.leaves;
  const log = made.inMemory();
  return {
    ...log,
    signedTree: async () => ({ ...made.signed(), size: 1_000_000 }),
    leaves: async ({ from, limit }) =>
      leaf === undefined
        ? []
        : Array.from({ length: limit }, (_, i) => ({ ...leaf, index: from + i })),
    nodes: async (ids) => ids.map(() => Buffer.alloc(32)),
  };
}

describe("an export in bounds", () => {
  test("one a caller at a time, and some at an edge", async () => {
    const edge = edgeOver(endless(), { exportLimits: { runningMax: 2, stallMs: 60_000 } });
    const first = await begun(edge);
    const again = await exported(edge);
    assert.equal(again.statusCode, 429);
    assert.equal(again.json().code, "VIG_EXPORTS_TOO_MANY");
    assert.ok(again.headers["retry-after"]);
    const other = await begun(edge, "", { ...auditor, sub: "aud_2" });
    assert.equal(other.response.statusCode, 200);
    const third = await exported(edge, "", { ...auditor, sub: "aud_3" });
    assert.match(third.json().detail, /at this edge/);
    assert.equal(edge.audit.entries.length, 2, "what is refused is no export");
    first.request.destroy();
    await eventually(async () => {
      const next = await begun(edge, "", { ...auditor, sub: "aud_3" });
      next.request.destroy();
      assert.equal(next.response.statusCode, 200);
    });
    other.request.destroy();
  });

  test("none is made to be thrown away", async () => {
    const edge = edgeOver(smallLog().inMemory());
    const headers = await bearer({ ...auditor });
    assert.equal((await edge.app.inject({ method: "HEAD", url: URL, headers })).statusCode, 405);
    assert.deepEqual(edge.audit.entries, []);
  });

  test("a refused one leaves room for the next", async () => {
    const edge = edgeOver(smallLog().inMemory());
    assert.equal((await exported(edge, "?from=never")).statusCode, 400);
    assert.equal((await exported(edge, "?tenant=molam-ci")).statusCode, 404);
    assert.equal((await exported(edge)).statusCode, 200);
    assert.equal((await exported(edge)).statusCode, 200);
  });

  test("a reader that takes nothing is waited for without reading on, then cut off", async () => {
    let asked = 0;
    const log = endless();
    const counted: AuditLog = {
      ...log,
      leaves: (range) => {
        asked += 1;
        return log.leaves(range);
      },
    };
    const edge = edgeOver(counted, { exportLimits: { runningMax: 1, stallMs: 300 } });
    const { response } = await begun(edge);
    response.pause();
    await eventually(async () => {
      const next = await begun(edge, "", { ...auditor, sub: "aud_2" });
      next.request.destroy();
      assert.equal(next.response.statusCode, 200);
    });
    assert.ok(asked < 40, `${asked} reads of some 15 MB for one who read nothing`);
    assert.ok(!(await textOf(response)).includes('{"end":true'));
  });
});

describe("an export that does not come to its end", () => {
  test("one that breaks off in the middle has no end, and the verifier says so", async () => {
    const made = new TestLog();
    for (let i = 0; i < 600; i++) made.add();
    const log = made.inMemory();
    const failing: AuditLog = {
      ...log,
      leaves: (range) =>
        range.from >= 512 ? Promise.reject(new Error("the database went away")) : log.leaves(range),
    };
    const edge = edgeOver(failing);
    const body = await textOf((await begun(edge)).response);
    assert.equal(parsed(body).leaves.length, 512);
    assert.equal(verified(body).exit, 2, "incomplete");
    assert.equal((await exported(edgeOver(log))).statusCode, 200);
  });

  test("what cannot begin is answered as a problem", async () => {
    const log = smallLog().inMemory();
    const away = { ...log, leaves: () => Promise.reject(new Error("the database went away")) };
    const edge = edgeOver(away);
    assert.equal((await exported(edge)).json().code, "VIG_INTERNAL");
    assert.deepEqual(edge.audit.entries, []);
    assert.equal((await exported(edgeOver(smallLog().inMemory({ size: 0 })))).statusCode, 503);
  });

  /** An edge whose records wait until they are let go. */
  function holding() {
    const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const audit = memoryAudit();
    const record: AuditTrail["record"] = async (entry) => {
      reached.resolve();
      await released.promise;
      return audit.record(entry);
    };
    const edge = edgeOver(endless(), {
      audit: { ...audit, record },
      exportLimits: { runningMax: 1, stallMs: 60_000 },
    });
    return { edge, reached: reached.promise, release: released.resolve };
  }

  test("one that nobody waits for any more when it begins leaves room for the next", async () => {
    const { edge, reached, release } = holding();
    const gone = begun(edge).catch(() => null);
    await reached;
    edge.app.server.closeAllConnections();
    await gone;
    release();
    await eventually(async () => {
      const next = await begun(edge);
      next.request.destroy();
      assert.equal(next.response.statusCode, 200);
    });
  });

  test("an edge that stops breaks off one that has just begun, too", async () => {
    const { edge, reached, release } = holding();
    const late = begun(edge).then(({ response }) => textOf(response));
    await reached;
    const closed = edge.app.close();
    await eventually(() => assert.ok(!edge.app.server.listening));
    release();
    assert.ok(!(await late.catch(() => "")).includes('"i":1024'), "nothing that goes on");
    await closed;
  });

  test("an edge that stops breaks exports off", async () => {
    const edge = edgeOver(endless());
    const { response } = await begun(edge);
    response.pause();
    await edge.app.close();
    assert.ok(!(await textOf(response)).includes('{"end":true'));
  });
});
