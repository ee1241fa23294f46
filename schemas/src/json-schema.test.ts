import { createRequire } from "node:module";
import { describe, expect, test } from "vitest";
import { checkEvent } from "./admit.ts";
import { bodySchema, eventBodySchemas, type JsonSchema } from "./json-schema.ts";
import { sampleGeo, sampleHeartbeat, sampleLogin, sampleMfa } from "./samples.ts";

interface Validator {
  (body: unknown): boolean;
  errors?: readonly { readonly instancePath: string }[] | null;
}
type AjvClass = new (options: object) => { compile(schema: JsonSchema): Validator };
const Ajv = createRequire(import.meta.url)("ajv/dist/2020") as AjvClass;

const login = new Ajv({ allErrors: true }).compile(bodySchema("id.login"));
const accepts = (change: object): boolean => login({ ...sampleLogin, ...change });

test("the samples are sound bodies", () => {
  const samples = {
    login: sampleLogin,
    heartbeat: sampleHeartbeat,
    mfa: sampleMfa,
    geo: sampleGeo,
  };
  for (const [name, schema] of Object.entries(eventBodySchemas())) {
    const validate = new Ajv({}).compile(schema);
    expect(validate(samples[name as keyof typeof samples]), name).toBe(true);
  }
});

test("what the contract has a default for may be left out, and is filled in", () => {
  const validate = new Ajv({ useDefaults: true }).compile(bodySchema("id.login"));
  const { user_id, occurred_at, channel } = sampleLogin;
  const body = { user_id, occurred_at, channel, kind: "AUTH_FAIL" };
  expect(validate(body)).toBe(true);
  expect(body).toMatchObject({ network: null, roles: [], user_type: "UNKNOWN" });
});

test("the edge may forbid what the token gives", () => {
  const validate = new Ajv({}).compile(bodySchema("id.login", { omit: ["tenant_id"] }));
  const { tenant_id: _, ...body } = sampleLogin;
  expect(validate(body)).toBe(true);
  expect(validate(sampleLogin)).toBe(false);
});

describe("what a record would be refused for, a body is refused for", () => {
  test.each([
    ["latitude", { location: { ...sampleLogin.location, lat: 100 } }],
    ["accuracy", { location: { ...sampleLogin.location, accuracy_m: -1 } }],
    ["country", { location: { ...sampleLogin.location, country: "sn" } }],
    ["mcc", { sim: { mcc: 100, mnc: null, carrier: null } }],
    ["roles", { roles: Array.from({ length: 33 }, () => "r") }],
    ["empty user id", { user_id: "" }],
    ["tenant", { tenant_id: "a/b" }],
    ["long session id", { session_id: "s".repeat(129) }],
    ["AUTH_SUCCESS without session", { session_id: null }],
  ])("%s", (_name, change) => {
    expect(checkEvent("id.login", { ...sampleLogin, ...change })).not.toEqual([]);
    expect(accepts(change)).toBe(false);
  });
});

describe("a body is refused besides for", () => {
  test.each([
    ["a field that the contract lacks", { surprise: 1 }],
    ["UNKNOWN", { kind: "UNKNOWN" }],
    ["a broken time", { occurred_at: 1.5 }],
    ["a time in text", { occurred_at: "2026-01-05T10:00:00Z" }],
    ["null where none may be", { channel: null }],
  ])("%s", (_name, change) => {
    expect(accepts(change)).toBe(false);
  });
});
