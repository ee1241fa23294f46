import assert from "node:assert/strict";
import type { RevocationAck } from "@vigie/schemas/types";
import { expect, describe as group, test } from "vitest";
import { bearer, NOW_MS, post, producedValues, testEdge } from "../test-edge.ts";
import { describe } from "./ack-report.ts";

const URL = "/api/id/revocations/r-1/ack";
const PAY = { sub: "pay-backend", client_id: "pay", scope: "revocations:ack" };

group("an acknowledgement", () => {
  test("is put on its topic in the name of the token's client", async () => {
    const edge = testEdge();
    const response = await post(edge, URL, { acted_at: NOW_MS - 80 }, { claims: PAY });
    assert.equal(response.statusCode, 202, response.body);
    const acted_at = new Date(NOW_MS - 80).toISOString();
    assert.deepEqual(response.json(), { revocation_id: "r-1", enforcement_point: "pay", acted_at });
    expect(edge.output.produced).toMatchObject([
      { topic: "id.session.revocation_ack", key: "r-1" },
    ]);
    assert.deepEqual(producedValues(edge) as unknown as RevocationAck[], [
      {
        revocation_id: "r-1",
        tenant_id: "molam-sn",
        enforcement_point: "pay",
        acted_at: NOW_MS - 80,
      },
    ]);
  });

  test("without a time is of now; a service without a client_id is its own name", async () => {
    const edge = testEdge();
    const claims = { sub: "eats", scope: "revocations:ack" };
    const response = await edge.app.inject({
      method: "POST",
      url: URL,
      headers: await bearer(claims),
    });
    assert.equal(response.json().acted_at, new Date(NOW_MS).toISOString());
    assert.equal(response.json().enforcement_point, "eats");
  });

  test.each([
    ["a person", { sub: "u-1", sid: "s-1", scope: "" }],
    ["an administrator", { sub: "a-1", sid: "s-1", scope: "id:admin" }],
    ["a service without the scope", { sub: "pay", scope: "id:introspect" }],
  ])("SUB-01: %s may not", async (_who, claims) => {
    const edge = testEdge();
    const response = await post(edge, URL, {}, { claims });
    assert.equal(response.json().code, "VIG_SCOPE_MISSING");
    assert.deepEqual(edge.output.produced, []);
  });

  test.each([
    [{ acted_at: NOW_MS + 400_000 }],
    [{ acted_at: -1 }],
    [{ acted_at: "now" }],
    [{ enforcement_point: "eats" }],
    [{ tenant_id: "other" }],
  ])("%j is refused", async (payload) => {
    const edge = testEdge();
    const response = await post(edge, URL, payload, { claims: PAY });
    assert.equal(response.statusCode, 400, response.body);
    assert.deepEqual(edge.output.produced, []);
  });
});

group("who has acted on a revocation", () => {
  const revocation = { revocation_id: "r-1", revoked_at: new Date(NOW_MS), reason: "admin" };
  const ack = (point: string, afterMs: number) => ({
    enforcement_point: point,
    acted_at: new Date(NOW_MS + afterMs),
  });
  const at = (nowMs: number) => ({ nowMs, expected: ["pay", "eats"], objectiveMs: 1_000 });

  test("one that is expected and silent is shown, and late once the objective is over", () => {
    const soon = describe(revocation, [ack("pay", 80)], at(NOW_MS + 500));
    assert.equal(soon.is_complete, false);
    expect(soon.points).toMatchObject([
      { enforcement_point: "eats", acted_at: null, delay_ms: null, is_late: false },
      { enforcement_point: "pay", delay_ms: 80, is_late: false, is_expected: true },
    ]);
    const later = describe(revocation, [ack("pay", 80)], at(NOW_MS + 1_001));
    expect(later.points[0]).toMatchObject({ enforcement_point: "eats", is_late: true });
  });

  test("one that is not expected is shown too, and one that acted late", () => {
    const acks = [ack("eats", -3), ack("pay", 1_001), ack("shop", 10)];
    const report = describe(revocation, acks, at(NOW_MS + 5_000));
    assert.equal(report.is_complete, true);
    expect(report.points).toMatchObject([
      { enforcement_point: "eats", delay_ms: 0, is_late: false },
      { enforcement_point: "pay", delay_ms: 1_001, is_late: true },
      { enforcement_point: "shop", is_expected: false },
    ]);
  });
});

test.each(["/api/id/admin/revocations/r-1", "/api/id/admin/revocations/latency"])(
  "SEC-02, SUB-01: %s is for administrators of the ID domain",
  async (url) => {
    const { app, audit } = testEdge();
    for (const claims of [
      PAY,
      { sub: "u-1", sid: "s-1" },
      { sub: "a", scope: "id:admin", org_id: "pay" },
    ]) {
      const response = await app.inject({ method: "GET", url, headers: await bearer(claims) });
      assert.equal(response.statusCode, 403);
    }
    assert.equal(audit.refusals.length, 3);
    const admin = await bearer({ sub: "a", scope: "id:admin" });
    const response = await app.inject({ method: "GET", url, headers: admin });
    assert.equal(response.json().code, "VIG_DATABASE_UNSET");
  },
);
