import { describe, expect, test } from "vitest";
import { createDecoder } from "./codec-core.ts";
import { type Contract, loadContracts } from "./contracts.ts";
import { memoryCodecs } from "./memory-codecs.ts";
import { sampleLogin } from "./samples.ts";
import type { LoginEvent, SessionEpoch } from "./types.ts";

const codecs = memoryCodecs();
const decoder = codecs.decoder<LoginEvent>("id.login");
const bytes = codecs.encoder<LoginEvent>("id.login").encode(sampleLogin);
const loginContract = (loadContracts().get("id.login") as Contract).schema;

test("a value comes back as it went in, as a plain object", () => {
  const outcome = decoder.decode(bytes);
  expect(outcome).toStrictEqual({ kind: "ok", value: sampleLogin });
});

test("the bytes are Confluent's: zero, schema id, Avro", () => {
  expect([...bytes.subarray(0, 5)]).toEqual([0, 0, 0, 0, codecs.schemaIdOf("id.login")]);
});

test("a Uint8Array that is no Buffer decodes too", () => {
  expect(decoder.decode(Uint8Array.from(bytes)).kind).toBe("ok");
});

test("a projection decodes its fields only, paths into records included", () => {
  const fields = ["user_id", "network.ip", "device.fingerprint.similarity", "channel"];
  const projected = codecs.decoder<LoginEvent>("id.login", { fields }).decode(bytes);
  expect(projected).toEqual({
    kind: "ok",
    value: {
      user_id: sampleLogin.user_id,
      network: { ip: "41.82.0.17" },
      device: { fingerprint: { similarity: null } },
      channel: "MOBILE",
    },
  });
});

test("a projection on what the contract lacks is a fault of ours", () => {
  for (const field of ["nope", "network.nope", "user_id.nope"]) {
    expect(() => codecs.decoder("id.login", { fields: [field] }), field).toThrow("VIG_INVARIANT");
  }
});

test("a type that the contract defined in a skipped field is still known", () => {
  const encoder = codecs.encoder<SessionEpoch>("id.session.epoch");
  const value: SessionEpoch = {
    epoch_id: "e",
    tenant_id: "t",
    scope: "TENANT",
    value: null,
    not_before: 1,
    reason: "r",
    actor: { type: "ADMIN", id: "a", impersonator_id: null },
  };
  const fields = ["scope", "actor"];
  const outcome = codecs.decoder("id.session.epoch", { fields }).decode(encoder.encode(value));
  expect(outcome).toEqual({ kind: "ok", value: { scope: "TENANT", actor: value.actor } });
});

describe("a newer producer", () => {
  const grown = JSON.parse(
    JSON.stringify(loginContract)
      .replace('"PASSWORD_CHANGED"', '"PASSWORD_CHANGED","PASSKEY_ADDED"')
      .replace('"USSD"', '"USSD","TV"'),
  ) as typeof loginContract;
  const schemaId = codecs.register({
    ...grown,
    fields: [{ name: "extra", type: ["null", "string"], default: null }, ...grown.fields],
  });
  const newer = { schemas: memoryCodecs(), schemaId };

  test("an enum symbol that the reader does not know reads as UNKNOWN", async () => {
    const { compile } = await import("./avro.ts");
    const schema = { ...grown, fields: [{ name: "extra", type: "string" }, ...grown.fields] };
    const id = codecs.register(schema);
    const value = { ...sampleLogin, extra: "x", kind: "PASSKEY_ADDED", channel: "TV" };
    const body = compile(schema).toBuffer(value);
    const header = Buffer.from([0, 0, 0, 0, id]);
    const outcome = decoder.decode(Buffer.concat([header, body]));
    expect(outcome).toEqual({
      kind: "ok",
      value: { ...sampleLogin, kind: "UNKNOWN", channel: "UNKNOWN" },
    });
    expect(newer.schemaId).toBeLessThan(id);
  });
});

describe("what cannot be used says why", () => {
  const cases: readonly [string, Uint8Array, string][] = [
    ["nothing", Buffer.alloc(0), "VIG_RECORD_NOT_AVRO"],
    ["four bytes", Buffer.from([0, 0, 0, 0]), "VIG_RECORD_NOT_AVRO"],
    ["JSON", Buffer.from(JSON.stringify(sampleLogin)), "VIG_RECORD_NOT_AVRO"],
    ["an unknown schema", Buffer.from([0, 0, 0, 9, 9, 1, 2]), "VIG_RECORD_SCHEMA_UNKNOWN"],
    ["no body", bytes.subarray(0, 5), "VIG_RECORD_UNDECODABLE"],
    ["half a body", bytes.subarray(0, 300), "VIG_RECORD_UNDECODABLE"],
    ["a byte too many", Buffer.concat([bytes, Buffer.from([0])]), "VIG_RECORD_UNDECODABLE"],
    ["more than 64 KiB", Buffer.alloc(65_537), "VIG_RECORD_TOO_LARGE"],
  ];
  test.each(cases)("%s", (_name, value, code) => {
    expect(decoder.decode(value)).toMatchObject({ kind: "dlq", code });
  });

  test("a value of another contract", () => {
    const other = codecs.decoder("id.mfa").decode(bytes);
    expect(other).toMatchObject({ kind: "dlq", code: "VIG_RECORD_UNDECODABLE" });
  });

  test("a number that JavaScript cannot hold", () => {
    const fields = ["occurred_at"];
    const huge = Buffer.concat([bytes.subarray(0, 5), Buffer.from("08616161610461610461", "hex")]);
    const max = Buffer.from("feffffffffffffffff01", "hex");
    const outcome = codecs.decoder("id.login", { fields }).decode(Buffer.concat([huge, max]));
    expect(outcome).toMatchObject({ code: "VIG_RECORD_UNDECODABLE" });
  });

  test("a schema of another kind", () => {
    const source = {
      lookup: () => ({ kind: "foreign", why: "its schema is not Avro" }) as const,
      load: () => Promise.resolve(),
    };
    expect(createDecoder("id.login", source).decode(bytes)).toMatchObject({
      code: "VIG_RECORD_NOT_AVRO",
    });
  });
});

test("a value of 64 KiB is taken, and one that outgrows the encoder's buffer is written whole", () => {
  const encoder = codecs.encoder<LoginEvent>("id.login");
  const withAgent = (length: number): LoginEvent => ({
    ...sampleLogin,
    network: { ip: null, user_agent: "a".repeat(length) },
  });
  const spare = 65_536 - encoder.encode(withAgent(60_000)).length;
  const largest = encoder.encode(withAgent(60_000 + spare));
  expect(largest).toHaveLength(65_536);
  expect(decoder.decode(largest).kind).toBe("ok");
  expect(encoder.encode(withAgent(200_000)).length).toBeGreaterThan(200_000);
  expect(decoder.decode(encoder.encode(withAgent(200_000)))).toMatchObject({
    code: "VIG_RECORD_TOO_LARGE",
  });
});

test("signals may have any name, that of the prototype included", () => {
  const signals = JSON.parse('{"__proto__":"x","constructor":"y","os":"z"}') as Record<
    string,
    string
  >;
  const fingerprint = { hash: null, similarity: null, signals };
  const value: LoginEvent = { ...sampleLogin, device: { device_id: null, fingerprint } };
  const outcome = decoder.decode(codecs.encoder<LoginEvent>("id.login").encode(value));
  const read = outcome.kind === "ok" ? outcome.value.device?.fingerprint?.signals : undefined;
  expect(Object.entries(read ?? {})).toEqual(Object.entries(signals));
});
