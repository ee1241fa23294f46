import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@vigie/core/log";
import { openCodecs } from "@vigie/schemas/codecs";
import type { SessionPolicy } from "@vigie/schemas/types";
import { createHealth } from "@vigie/service-kit/health";
import { createMetrics } from "@vigie/service-kit/metrics";
import { type FollowedPolicies, followPolicies } from "@vigie/service-kit/policy-book";
import {
  type Database,
  openDatabase,
  type PoolOptions,
} from "@vigie/service-kit/postgres/database";
import { kafkaCarrier } from "@vigie/service-kit/postgres/outbox-kafka";
import { startOutboxPublisher } from "@vigie/service-kit/postgres/outbox-publisher";
import { eventually } from "@vigie/testkit/eventually";
import { type ServiceStack, serviceStack } from "@vigie/testkit/service-stack";
import { afterAll, beforeAll, onTestFinished, test } from "vitest";
import { EDGE_OUTBOX, EDGE_ROLE } from "../database.ts";
import { bearer, testEdge } from "../test-edge.ts";
import { postgresPolicies } from "./policy-store.ts";

const URL = "/api/id/admin/sessions/policies";
const ADMIN = { sub: "admin-1", sid: "s-9", user_type: "INTERNAL", scope: "id:admin" } as const;
const PLATFORM = { ...ADMIN, scope: "id:admin platform:admin" } as const;
const TENANT = "molam-sn";
/** Source: the promise. */
const IN_FORCE_MS = 1_000;

let servers: ServiceStack;
let database: Database;
let options: PoolOptions;
let codecs: Awaited<ReturnType<typeof openCodecs>>;
let book: FollowedPolicies;
let cacheDir: string;
const publishers: { stop(): Promise<void> }[] = [];

/** One more edge as far as policies go. */
function edge() {
  publishers.push(
    startOutboxPublisher({
      database: options,
      openCarrier: () => kafkaCarrier(servers.client, servers.prefix, EDGE_OUTBOX),
      log: silentLogger,
      metrics: createMetrics("edge", { processMetrics: false }),
    }),
  );
  return testEdge({ codecs, database, policyStore: postgresPolicies(database) });
}

beforeAll(async () => {
  servers = await serviceStack();
  const { postgres: url, schema, registry: registryUrl, prefix, client } = servers;
  options = {
    url,
    schema,
    role: EDGE_ROLE,
    applicationName: "edge-policies",
    statementTimeoutMs: 10_000,
    poolMax: 4,
    log: silentLogger,
  };
  database = openDatabase(options);
  cacheDir = mkdtempSync(join(tmpdir(), "vigie-policies-"));
  codecs = await openCodecs({ registryUrl, cacheDir, prefix, log: silentLogger });
  codecs.encoder<SessionPolicy>("id.session.policy");
  await codecs.ready();
  book = followPolicies({
    client,
    prefix,
    codecs,
    log: silentLogger,
    health: createHealth("policies-test"),
  });
  await eventually(() => assert.ok(book.ready));
});
afterAll(async () => {
  await Promise.all([book.stop(), ...publishers.map((each) => each.stop())]);
  codecs.close();
  await database.close();
  await servers.close();
  rmSync(cacheDir, { recursive: true });
});

type Edge = ReturnType<typeof edge>;

async function put(
  { app }: Edge,
  document: object,
  version: number,
  more: { query?: string } = {},
) {
  const { query = "" } = more;
  const claims = query === "" ? ADMIN : PLATFORM;
  const headers = { ...(await bearer(claims)), "if-match": `"${version}"` };
  return app.inject({ method: "PUT", url: URL + query, headers, payload: document });
}

test("POL-02, POL-05: a change is in force in a processor's table within a second of its answer", async () => {
  const edges = [edge(), edge()] as const;
  const tookMs: number[] = [];
  for (let version = 0; version < 20; version += 1) {
    const minutes = 10 + version;
    const changed = await put(
      edges[version % 2 === 0 ? 0 : 1],
      { idle_timeout: { minutes } },
      version,
    );
    assert.equal(changed.statusCode, 200, changed.body);
    const answeredMs = performance.now();
    await eventually(() => assert.equal(book.of(TENANT).version, version + 1));
    tookMs.push(performance.now() - answeredMs);
    assert.equal(book.of(TENANT).document.idle_timeout.minutes, minutes);
  }
  tookMs.sort((one, other) => one - other);
  // The first change may find a line without anybody in charge yet.
  const slowest = tookMs.at(-2) ?? Number.POSITIVE_INFINITY;
  console.info(
    `in force after ${tookMs[10]?.toFixed(0)} ms in the median, ${slowest.toFixed(0)} ms at worst`,
  );
  assert.ok(slowest < IN_FORCE_MS, `${tookMs}`);
});

test("the default of all reaches every tenant, and an edge that begins later knows it", async () => {
  const changed = await put(edge(), { max_failed_mfa_hour: { count: 3 } }, 0, {
    query: "?tenant=*",
  });
  assert.equal(changed.statusCode, 200, changed.body);
  await eventually(() => {
    assert.equal(book.of("molam-ci").document.max_failed_mfa_hour.count, 3);
  });
  const { client, prefix } = servers;
  const later = followPolicies({
    client,
    prefix,
    codecs,
    log: silentLogger,
    health: createHealth("policies-test"),
  });
  onTestFinished(() => later.stop());
  await eventually(() => assert.ok(later.ready));
  assert.equal(later.of("molam-ci").document.max_failed_mfa_hour.count, 3);
});

test("edges that race for one version: one answers 200, the others 412, one record goes out", async () => {
  const edges = [edge(), edge()] as const;
  const query = "?tenant=molam-gh";
  const racers = Array.from({ length: 12 }, (_, i) =>
    put(edges[i % 2 === 0 ? 0 : 1], { idle_timeout: { minutes: i + 1 } }, 0, { query }),
  );
  const statuses = (await Promise.all(racers)).map(({ statusCode }) => statusCode).sort();
  assert.deepEqual(statuses, [200, ...Array.from({ length: 11 }, () => 412)]);
  await eventually(() => assert.equal(book.of("molam-gh").version, 1));
  const records = await servers.readAll("id.session.policy");
  assert.equal(records.filter(({ key }) => String(key) === "molam-gh").length, 1);
});
