import assert from "node:assert/strict";
import { test } from "vitest";
import { Policies } from "./policies.ts";
import type { SessionPolicy } from "./types.ts";

const policy = (tenant_id: string, version: number, document: string): SessionPolicy => ({
  tenant_id,
  version,
  updated_at: 0,
  actor: { type: "ADMIN", id: "admin", impersonator_id: null },
  document,
});

function policiesOver(table: Map<string, SessionPolicy>) {
  const refused: string[] = [];
  const policies = new Policies((tenantId) => refused.push(tenantId));
  return { refused, of: (tenantId: string) => policies.of(tenantId, (key) => table.get(key)) };
}

test("POL-05: a tenant's document lies over the default of all, field by field", () => {
  const table = new Map([
    ["*", policy("*", 3, '{"idle_timeout":{"minutes":20},"max_failed_mfa_hour":{"count":4}}')],
    ["acme", policy("acme", 7, '{"max_failed_mfa_hour":{"count":9}}')],
  ]);
  const { of } = policiesOver(table);
  assert.equal(of("acme").version, 7);
  assert.equal(of("acme").document.idle_timeout.minutes, 20);
  assert.equal(of("acme").document.max_failed_mfa_hour.count, 9);
  assert.equal(of("other").version, 3);
  assert.equal(of("other").document.max_failed_mfa_hour.count, 4);
});

test("a document that is not valid is told of once, and the last good one stays", () => {
  const table = new Map([["acme", policy("acme", 1, '{"idle_timeout":{"minutes":10}}')]]);
  const { of, refused } = policiesOver(table);
  assert.equal(of("acme").document.idle_timeout.minutes, 10);
  table.set("acme", policy("acme", 2, '{"idle_timeout":{"minutes":-1}}'));
  assert.equal(of("acme").version, 1);
  assert.equal(of("acme").document.idle_timeout.minutes, 10);
  assert.deepEqual(refused, ["acme"]);
  table.set("acme", policy("acme", 3, '{"idle_timeout":{"minutes":15}}'));
  assert.equal(of("acme").version, 3);
  table.delete("acme");
  assert.equal(of("acme").version, 0);
});

test("a last good document outlives any number of other tenants", () => {
  const table = new Map([["acme", policy("acme", 1, '{"idle_timeout":{"minutes":10}}')]]);
  const { of } = policiesOver(table);
  of("acme");
  table.set("acme", policy("acme", 2, "no JSON"));
  for (let i = 0; i < 20_000; i++) of(`tenant-${i}`);
  assert.equal(of("acme").document.idle_timeout.minutes, 10);
});

test("ANO-17: a candidate stands in place of the document that holds it, over the same default", () => {
  const tried = { share: 10, document: { impossible_travel: { kmh_threshold: 700 } } };
  const own = { idle_timeout: { minutes: 9 }, candidate: tried };
  const table = new Map([
    ["*", policy("*", 3, '{"max_failed_mfa_hour":{"count":4}}')],
    ["acme", policy("acme", 7, JSON.stringify(own))],
  ]);
  const { of } = policiesOver(table);
  const { document, candidate } = of("acme");
  assert.equal(document.idle_timeout.minutes, 9);
  assert.equal(document.impossible_travel.kmh_threshold, 900);
  assert.equal("candidate" in document, false);
  assert.equal(candidate?.share, 10);
  assert.equal(candidate?.document.impossible_travel.kmh_threshold, 700);
  assert.equal(candidate?.document.max_failed_mfa_hour.count, 4);
  // What the candidate does not name is not the tenant's: it would replace the whole document.
  assert.equal(candidate?.document.idle_timeout.minutes, 30);
  assert.equal(of("other").candidate, undefined);
});

test("a candidate for all tenants lies under their own documents; a tenant's own candidate has its own share", () => {
  const all = { candidate: { document: { max_failed_mfa_hour: { count: 3 } } } };
  const own = { candidate: { share: 5, document: { max_failed_login_hour: { count: 2 } } } };
  const table = new Map([
    ["*", policy("*", 3, JSON.stringify(all))],
    ["acme", policy("acme", 7, '{"idle_timeout":{"minutes":9}}')],
    ["both", policy("both", 8, JSON.stringify(own))],
  ]);
  const { of } = policiesOver(table);
  assert.equal(of("acme").candidate?.share, 100);
  assert.equal(of("acme").candidate?.document.idle_timeout.minutes, 9);
  assert.equal(of("acme").candidate?.document.max_failed_mfa_hour.count, 3);
  assert.equal(of("both").candidate?.share, 5);
  assert.equal(of("both").candidate?.document.max_failed_mfa_hour.count, 3);
  assert.equal(of("both").candidate?.document.max_failed_login_hour.count, 2);
});
