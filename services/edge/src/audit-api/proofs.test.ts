import assert from "node:assert/strict";
import { openCheckpoint } from "@vigie/audit-log/checkpoint";
import { parseVerifierKey } from "@vigie/audit-log/note";
import { verifyConsistency, verifyInclusion } from "@vigie/audit-log/proofs";
import { leafHash } from "@vigie/audit-log/tree";
import { describe, test } from "vitest";
import { bearer, type TestEdge, testEdge } from "../test-edge.ts";
import { ORIGIN, smallLog, TENANT, TestLog, VERIFIER_KEY } from "./test-log.ts";

const ROOT = "/api/id/admin/audit";
const auditor = { tenant_id: TENANT, sub: "aud_1", user_type: "INTERNAL", scope: "id:audit" };

const platform = { ...auditor, scope: "id:audit platform:admin" };

const big = new TestLog();
for (let i = 0; i < 300; i++) big.add({ tenant: i % 2 === 0 ? TENANT : "molam-ci" });

const edgeOver = (made = big, size?: number): TestEdge =>
  testEdge({ auditLog: made.inMemory(size === undefined ? {} : { size }) });

async function get(edge: TestEdge, path: string, claims: object = auditor) {
  return edge.app.inject({ url: `${ROOT}${path}`, headers: await bearer({ ...claims }) });
}

async function okay(edge: TestEdge, path: string, claims: object = auditor) {
  const response = await get(edge, path, claims);
  assert.equal(response.statusCode, 200, response.body);
  return response.json();
}

const hash = (text: string): Buffer => Buffer.from(text, "base64");

test("the checkpoint is a note that the log's key has signed", async () => {
  const response = await get(edgeOver(), "/checkpoint");
  assert.match(String(response.headers["content-type"]), /^text\/plain/);
  const trusted = { origin: ORIGIN, keys: [parseVerifierKey(VERIFIER_KEY)] };
  assert.equal(openCheckpoint(response.body, trusted).size, 300n);
});

test("an inclusion proof holds for the leaf that it names, in the tree that was asked for", async () => {
  const edge = edgeOver();
  for (const size of [1, 2, 255, 256, 257, 300]) {
    for (const index of [0, size - 1]) {
      const found = await okay(edge, `/proofs/inclusion?index=${index}&size=${size}`);
      assert.deepEqual(hash(found.root), big.signed(size).root);
      assert.deepEqual(hash(found.leaf_hash), leafHash(big.leaves[index]?.leaf ?? Buffer.alloc(0)));
      const claim = {
        index: BigInt(index),
        size: BigInt(size),
        leafHash: hash(found.leaf_hash),
        proof: found.proof.map(hash),
        root: hash(found.root),
      };
      assert.ok(verifyInclusion(claim));
      assert.ok(!verifyInclusion({ ...claim, index: claim.index + 1n }));
    }
  }
  assert.equal((await okay(edge, "/proofs/inclusion?index=7")).size, 300, "the newest tree");
});

test("a consistency proof holds between the trees that were asked for", async () => {
  const edge = edgeOver();
  for (const [first, second] of [
    [1, 300],
    [256, 300],
    [255, 257],
    [300, 300],
  ] as const) {
    const found = await okay(edge, `/proofs/consistency?first=${first}&second=${second}`);
    const claim = {
      first: BigInt(first),
      second: BigInt(second),
      firstRoot: big.signed(first).root,
      secondRoot: big.signed(second).root,
      proof: found.proof.map(hash),
    };
    assert.ok(verifyConsistency(claim), `${first} ${second}`);
    assert.deepEqual(hash(found.first_root), claim.firstRoot);
  }
});

describe("sizes that no proof is of", () => {
  test.each([
    ["the empty tree", "/proofs/inclusion?index=0&size=0"],
    ["a leaf behind the tree", "/proofs/inclusion?index=300"],
    ["a leaf behind a smaller tree", "/proofs/inclusion?index=5&size=5"],
    ["a tree that is not signed yet", "/proofs/inclusion?index=0&size=301"],
    ["a size above 2^53", "/proofs/inclusion?index=0&size=9007199254740993"],
    ["the largest size", "/proofs/inclusion?index=0&size=18446744073709551615"],
    ["an index above 2^53", "/proofs/inclusion?index=9007199254740993"],
    ["from nothing", "/proofs/consistency?first=0"],
    ["backwards", "/proofs/consistency?first=5&second=4"],
    ["up to what is not signed yet", "/proofs/consistency?first=5&second=301"],
  ])("%s: 422", async (_name, path) => {
    const response = await get(edgeOver(), path);
    assert.equal(response.statusCode, 422, response.body);
    assert.equal(response.json().code, "VIG_AUDIT_PROOF_RANGE");
  });

  test.each([
    "/proofs/inclusion",
    "/proofs/inclusion?index=-1",
    "/proofs/inclusion?index=01",
    "/proofs/inclusion?index=1.0",
    "/proofs/inclusion?index=1e3",
    "/proofs/inclusion?index=0x1",
    "/proofs/inclusion?index=%201",
    "/proofs/inclusion?index=18446744073709551616",
    "/proofs/inclusion?index=1&index=2",
    "/proofs/inclusion?index=1&size=",
    "/proofs/consistency?first=99999999999999999999",
    "/proofs/consistency?first=1&tenant=*",
    "/entries/-1",
    "/entries/1a",
    "/entries/99999999999999999999",
  ])("%s: 400", async (path) => {
    const response = await get(edgeOver(), path);
    assert.equal(response.statusCode, 400, response.body);
    assert.equal(response.json().code, "VIG_QUERY_INVALID");
  });

  test("before the first checkpoint there is nothing to prove", async () => {
    const edge = edgeOver(smallLog(), 0);
    for (const path of ["/checkpoint", "/proofs/inclusion?index=0", "/entries/0", "/tile/0/000"]) {
      const response = await get(edge, path);
      assert.equal(response.json().code, "VIG_AUDIT_NOT_SIGNED");
      assert.equal(response.statusCode, 503);
    }
  });
});

describe("one entry", () => {
  test("comes with its leaf, and the proof that the newest signed tree holds it", async () => {
    const made = smallLog();
    const edge = edgeOver(made);
    const found = await okay(edge, "/entries/0");
    assert.equal(found.leaf, made.leaves[0]?.leaf.toString());
    assert.equal(found.entry.payload.reason, "lost_phone");
    assert.deepEqual(found.opened, made.opened("event-0").boxes);
    const claim = {
      index: 0n,
      size: BigInt(found.tree_size),
      leafHash: leafHash(Buffer.from(found.leaf)),
      proof: found.proof.map(hash),
      root: made.signed().root,
    };
    assert.ok(verifyInclusion(claim));
    assert.equal(found.checkpoint, made.signed().note);
    const [record] = edge.audit.entries;
    assert.deepEqual([record?.action, record?.payload], ["audit.entry_read", { index: 0 }]);
  });

  test("of another tenant is not there, as one that is yet to come", async () => {
    const edge = edgeOver(smallLog(), 5);
    const bodies = await Promise.all(
      ["/entries/1", "/entries/5", "/entries/9007199254740993"].map(async (path) => {
        const response = await get(edge, path);
        assert.equal(response.statusCode, 404);
        const { instance: _, request_id: __, ...problem } = response.json();
        return problem;
      }),
    );
    assert.equal(new Set(bodies.map((body) => JSON.stringify(body))).size, 1);
    assert.deepEqual(edge.audit.entries, []);
    const faults = edge.audit.refusals.map(({ payload }) => payload.fault);
    assert.deepEqual(faults, ["VIG_NOT_FOUND"], "of what is another tenant's");
    assert.equal((await okay(edge, "/entries/1?tenant=*", platform)).entry.tenant_id, "molam-ci");
  });
});

test("an entry that somebody deleted is not passed over in silence", async () => {
  const gone = { ...smallLog().inMemory(), leaves: async () => [] };
  const response = await get(testEdge({ auditLog: gone }), "/entries/1?tenant=*", platform);
  assert.equal(response.statusCode, 500, response.body);
});

describe("tiles", () => {
  const tile = async (path: string) => get(edgeOver(), `/tile/${path}`);

  test("hold the hashes of all tenants' leaves, full or as wide as they once were", async () => {
    const hashes = Buffer.concat(big.leaves.map(({ leaf }) => leafHash(leaf)));
    const whole = await tile("0/000");
    assert.equal(whole.headers["content-type"], "application/octet-stream");
    assert.equal(whole.headers["cache-control"], "no-store");
    assert.deepEqual(whole.rawPayload, hashes.subarray(0, 256 * 32));
    assert.deepEqual((await tile("0/001.p/44")).rawPayload, hashes.subarray(256 * 32));
    assert.deepEqual((await tile("0/000.p/3")).rawPayload, hashes.subarray(0, 3 * 32));
    assert.deepEqual((await tile("1/000.p/1")).rawPayload, big.signed(256).root);
  });

  test.each([
    "0/001",
    "0/001.p/45",
    "1/000",
    "2/000.p/1",
    "0/002.p/1",
    "entries/000",
    "0/0",
    "0/x000/000",
    "0/000.p/256",
    "0/000.p/0",
    "00/000",
    "64/000",
    "..%2f..%2fsessions",
    "",
  ])("%s is none", async (path) => {
    const response = await tile(path);
    assert.equal(response.statusCode, 404, response.body);
  });
});

test("SUB-01: proofs, hashes and entries are for auditors of the ID domain", async () => {
  const paths = ["/checkpoint", "/proofs/inclusion?index=0", "/proofs/consistency?first=1"];
  for (const path of [...paths, "/tile/0/000", "/entries/0", "/export", ""]) {
    const response = await get(edgeOver(), path, { ...auditor, scope: "id:admin" });
    assert.equal(response.json().code, "VIG_SCOPE_MISSING", path);
    const subsidiary = await get(edgeOver(), path, { ...auditor, org_id: "pay" });
    assert.equal(subsidiary.json().code, "VIG_ID_DOMAIN_ONLY", path);
    assert.equal((await edgeOver().app.inject({ url: `${ROOT}${path}` })).statusCode, 401);
  }
});

test("SEC-12: the description of the API has every route of the audit", async () => {
  const { paths } = (await edgeOver().app.inject("/docs/json")).json();
  for (const path of [
    "",
    "/export",
    "/checkpoint",
    "/entries/{index}",
    "/proofs/inclusion",
    "/proofs/consistency",
    "/tile/{*}",
  ]) {
    const route = paths[`${ROOT}${path}`]?.get;
    assert.ok(
      route,
      `${path} is described: ${Object.keys(paths).filter((p) => p.includes("audit"))}`,
    );
    assert.deepEqual(route.security, [{ bearer: [] }]);
    for (const status of ["200", "403", "404", "422", "429", "503"]) {
      assert.ok(route.responses[status], `${path} ${status}`);
    }
  }
});
