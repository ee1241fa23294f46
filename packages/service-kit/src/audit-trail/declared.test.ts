import assert from "node:assert/strict";
import type { Logger } from "@vigie/core/log";
import { silentLogger } from "@vigie/core/log";
import type { AuditAction } from "@vigie/schemas/audit-actions";
import fastify, { type FastifyInstance, type RouteOptions } from "fastify";
import { describe, test } from "vitest";
import { createHealth } from "../health.ts";
import { createRequestLog } from "../http/request-log.ts";
import { createHttp } from "../http/server.ts";
import { createMetrics } from "../metrics.ts";
import type { AuditTrail } from "./audit-trail.ts";
import {
  type AuditDeclaration,
  beforeAnswer,
  beforeAnswerOnce,
  holdToDeclared,
  nothing,
} from "./declared.ts";
import { memoryAudit } from "./memory-audit.ts";

test("a route that declares nothing keeps a service from starting", async () => {
  const app = fastify();
  app.register(async (scope) => {
    holdToDeclared(scope, memoryAudit(), silentLogger);
    scope.get("/forgotten", async () => ({}));
  });
  await assert.rejects(async () => app.ready(), /GET \/forgotten declares what of it is audited/);
});

/** A service of one route, GET /deed, that does `deed`; with the faults that it told of. */
async function serviceOf(
  audit: AuditDeclaration,
  deed: (trail: AuditTrail, app: FastifyInstance) => RouteOptions["handler"],
  trail: AuditTrail = memoryAudit(),
) {
  const faults: object[] = [];
  const log: Logger = { ...silentLogger, fatal: (fields: object) => void faults.push(fields) };
  const lines = { write: () => {}, flush: async () => {} };
  const app = createHttp({
    title: "deeds",
    description: "of a test",
    version: "1",
    log,
    requestLog: createRequestLog({ service: "deeds", clock: Date.now, sink: lines }),
    metrics: createMetrics("deeds", { processMetrics: false }),
    health: createHealth("deeds").report,
    allowedOrigins: [],
    trustedProxies: [],
    bodyMaxBytes: 1_024,
  });
  app.register(async (scope) => {
    const watched = holdToDeclared(scope, trail, log);
    scope.route({ method: "GET", url: "/deed", config: { audit }, handler: deed(watched, scope) });
  });
  const get = (headers: Record<string, string> = {}) =>
    app.inject({ method: "GET", url: "/deed", headers });
  return { get, faults };
}

const record = (trail: AuditTrail, action: AuditAction): RouteOptions["handler"] =>
  async function handler(request) {
    const caller = { limitKey: "x" } as never;
    await trail.record({ action, caller, request, subjectUserId: null, payload: {} });
    return { done: true };
  };

describe("a route is held to it", () => {
  test("AUD-06: an answer without its record is withheld, and told at the highest level", async () => {
    const { get, faults } = await serviceOf(beforeAnswer("sessions.read"), () => async () => ({
      secret: "of somebody else",
    }));
    const response = await get();
    assert.equal(response.statusCode, 500);
    assert.ok(!response.body.includes("secret"));
    assert.deepEqual(faults, [{ code: "VIG_AUDIT_UNRECORDED", route: "GET /deed" }]);
  });

  test("an answer after its record goes out", async () => {
    const { get, faults } = await serviceOf(beforeAnswer("sessions.read"), (trail) =>
      record(trail, "sessions.read"),
    );
    assert.deepEqual((await get()).json(), { done: true });
    assert.deepEqual(faults, []);
  });

  test("a refusal needs no record", async () => {
    const { get } = await serviceOf(
      beforeAnswer("sessions.read"),
      () => async (_request, reply) => reply.code(404).send({}),
    );
    assert.equal((await get()).statusCode, 404);
  });

  test("a call that may be a repetition is taken for one only with its key", async () => {
    const { get } = await serviceOf(beforeAnswerOnce("sessions.read"), () => async () => ({}));
    assert.equal((await get()).statusCode, 500);
    assert.equal((await get({ "idempotency-key": "k-1" })).statusCode, 200);
  });

  test("an action that is not declared is not written", async () => {
    const trail = memoryAudit();
    const { get } = await serviceOf(
      nothing("it only counts"),
      (watched) => record(watched, "policy.updated"),
      trail,
    );
    assert.equal((await get()).statusCode, 500);
    assert.deepEqual(trail.entries, []);
  });
});
