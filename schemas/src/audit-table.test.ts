import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  APP_ACTION,
  type AuditActionFacts,
  auditActions,
  upstreamActions,
} from "./audit-actions.ts";
import { auditTable, withAuditTable } from "./audit-table.ts";

const page = readFileSync(new URL("../../docs/audit.md", import.meta.url), "utf8");

test("docs/audit.md has every action as the code knows it", () => {
  expect(withAuditTable(page)).toBe(page);
  for (const action of Object.keys(auditActions)) expect(auditTable()).toContain(`\`${action}\``);
});

test("a page that lacks a row is not what it should be, and one without a place is refused", () => {
  const shorter = page.replace(/^\| `keys.rotated`.*\n/m, "");
  expect(shorter).not.toBe(page);
  expect(withAuditTable(shorter)).toBe(page);
  expect(() => withAuditTable("# no table")).toThrow(/no place/);
});

test("AUD-07, AUD-13: what other services tell of has the names that are asked for", () => {
  expect([...upstreamActions].sort()).toEqual([
    "impersonation_expired",
    "impersonation_start",
    "impersonation_stop",
    "user.activated",
    "user.deactivated",
    "user.deleted",
  ]);
});

test("no action of Vigie's can be told as an application's own", () => {
  expect(Object.keys(auditActions).filter((action) => APP_ACTION.test(action))).toEqual([]);
  expect(APP_ACTION.test("app.pay.limit_changed")).toBe(true);
  for (const name of ["app", "app.", "app.Pay", "app.a.b.c.d.e", `app.${"x".repeat(33)}`]) {
    expect(APP_ACTION.test(name), name).toBe(false);
  }
});

test("every action says whom it concerns, what it holds and when it is written", () => {
  for (const facts of Object.values<AuditActionFacts>(auditActions)) {
    expect(facts.subject).not.toBe("");
    expect(facts.when).not.toBe("");
    expect([...facts.payload, facts.subject, facts.when].join()).not.toContain("|");
  }
});
