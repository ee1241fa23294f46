import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { brokenContracts, incompatibility } from "./compatibility.ts";
import { type AvroField, type AvroRecord, type Contract, loadContracts } from "./contracts.ts";

const baselines = new URL("../baseline/", import.meta.url);

test("every contract can be read by and reads every version that was ever published", () => {
  const versions = readdirSync(baselines);
  expect(versions).toContain("v1");
  for (const version of versions) {
    const baseline = loadContracts(new URL(`${version}/`, baselines));
    expect(brokenContracts(baseline, loadContracts()), version).toEqual([]);
  }
});

const login = (loadContracts().get("id.login") as Contract).schema;
const withFields = (fields: readonly AvroField[]): AvroRecord => ({ ...login, fields });

describe("a change that breaks readers or writers is found", () => {
  test.each([
    [
      "a field without a default is added",
      withFields([...login.fields, { name: "x", type: "int" }]),
    ],
    ["a field without a default is removed", withFields(login.fields.slice(1))],
    [
      "a field changes its type",
      withFields(login.fields.map((f) => (f.name === "roles" ? { ...f, type: "string" } : f))),
    ],
    [
      "a field is renamed",
      withFields(login.fields.map((f) => (f.name === "kind" ? { ...f, name: "type" } : f))),
    ],
    ["the record is renamed", { ...login, name: "Login" }],
    ["a widened number", withFields(login.fields.map(widen))],
  ])("%s", (_name, changed) => {
    expect(incompatibility(login, changed)).not.toBeNull();
  });
});

/** A long reads what was an int; an int does not read what is a long. */
function widen(field: AvroField): AvroField {
  return field.name === "sim"
    ? JSON.parse(JSON.stringify(field).replace('"int"', '"long"'))
    : field;
}

test("an optional field may come, and an enum with a default may grow", () => {
  const nullable = { name: "x", type: ["null", "string"], default: null } as const;
  expect(incompatibility(login, withFields([...login.fields, nullable]))).toBeNull();
  const grown = JSON.parse(JSON.stringify(login).replace('"USSD"', '"USSD","TV"')) as AvroRecord;
  expect(incompatibility(login, grown)).toBeNull();
});

test("a contract that is gone is found", () => {
  const current = new Map(loadContracts());
  current.delete("id.audit");
  expect(brokenContracts(loadContracts(), current)).toEqual(["id.audit: the contract is gone"]);
});
