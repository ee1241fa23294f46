import { expect, test } from "vitest";
import { checkGenerated, generateTypes } from "./generate.ts";
import { type Contract, loadContracts } from "./src/contracts.ts";

test("the types on disk are those of the contracts", () => {
  expect(checkGenerated()).toBe(true);
});

test("a changed contract makes other types", () => {
  const contracts = loadContracts();
  const login = contracts.get("id.login") as Contract;
  const schema = { ...login.schema, fields: login.schema.fields.slice(1) };
  const changed = new Map(contracts).set("id.login", { ...login, schema });
  expect(generateTypes(changed)).not.toBe(generateTypes(contracts));
});

test("one name may not mean two types", () => {
  const contracts = new Map(loadContracts());
  const login = contracts.get("id.login") as Contract;
  const rival = { type: "enum", name: "Channel", symbols: ["UNKNOWN", "TV"] } as const;
  const fields = [{ name: "channel", type: rival }];
  contracts.set("id.tv", { ...login, schema: { ...login.schema, name: "TvEvent", fields } });
  expect(() => generateTypes(contracts)).toThrow("Channel is one type everywhere");
});
