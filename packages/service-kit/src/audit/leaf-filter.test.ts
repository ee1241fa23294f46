import assert from "node:assert/strict";
import type { Leaf } from "@vigie/audit-log/leaf";
import { describe, test } from "vitest";
import { isAll, KEY_DESTROYED, type LeafFilter, meets, passes } from "./leaf-filter.ts";

const leaf = (over: Partial<Leaf> = {}): Leaf => ({
  v: 1,
  id: "e-1",
  tenant: "acme",
  at: 1_000,
  recorded_at: 1_001,
  source: { topic: "id.audit", partition: 0, offset: 0 },
  emitter: "edge.a.1",
  seq: 1,
  action: "session.revoked",
  actor: { type: "ADMIN", ref: "r-admin" },
  impersonator: null,
  subject: "r-user",
  impersonated: null,
  is_impersonation: false,
  digest: "",
  boxes: [],
  ...over,
});

describe("a leaf meets a filter", () => {
  test.each<[LeafFilter, boolean]>([
    [{}, true],
    [{ tenant: "acme" }, true],
    [{ tenant: "other" }, false],
    [{ action: "session.revoked" }, true],
    [{ action: "session" }, false],
    [{ actor: "r-admin" }, true],
    [{ actor: "r-user" }, false],
    [{ subject: "r-user" }, true],
    [{ subject: "r-admin" }, false],
    [{ impersonation: false }, true],
    [{ impersonation: true }, false],
    [{ from: 1_000, to: 1_001 }, true],
    [{ from: 1_001 }, false],
    [{ to: 1_000 }, false],
    [{ actor: "r-admin", subject: "r-admin" }, false],
  ])("%o: %s", (filter, wanted) => assert.equal(meets(leaf(), filter), wanted));

  test("as who acted as somebody else, and as whom", () => {
    const acted = leaf({
      impersonator: "r-other",
      impersonated: "r-victim",
      is_impersonation: true,
    });
    assert.ok(meets(acted, { actor: "r-other" }));
    assert.ok(meets(acted, { subject: "r-victim" }));
    assert.ok(meets(acted, { subject: "r-user", impersonation: true }));
  });

  test("by the id of a service", () => {
    assert.ok(meets(leaf({ actor: { type: "SYSTEM", id: "sessions" } }), { actor: "sessions" }));
  });
});

test("that a key was destroyed is exported whatever the filter, in its tenant", () => {
  const destroyed = leaf({ action: KEY_DESTROYED, subject: null });
  const filter = { tenant: "acme", action: "policy.updated", subject: "r-user", from: 5_000 };
  assert.ok(passes(destroyed, filter));
  assert.ok(!meets(destroyed, filter));
  assert.ok(!passes(destroyed, { ...filter, tenant: "other" }));
  assert.ok(!passes(leaf(), filter));
});

test("a filter that names nothing is that of the whole log", () => {
  assert.ok(isAll({}));
  assert.ok(!isAll({ impersonation: false }));
  assert.ok(!isAll({ from: 0 }));
});
