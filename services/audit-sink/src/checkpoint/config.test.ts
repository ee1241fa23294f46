import { createSigner, formatVerifierKey } from "@vigie/audit-log/note";
import { parseConfig } from "@vigie/service-kit/config";
import { expect, test } from "vitest";
import { witnessesConfig } from "./config.ts";
import { keyNamed } from "./testing.ts";

const { privateKey } = keyNamed("w.example");
const vkey = formatVerifierKey(
  createSigner({ name: "w.example", privateKey, type: "cosignature" }).key,
);
const plain = formatVerifierKey(keyNamed("w.example").key);

const parse = (AUDIT_WITNESSES: string, NODE_ENV = "development") =>
  parseConfig(witnessesConfig, { AUDIT_WITNESSES, NODE_ENV });

test("witnesses are named by key and URL, several with commas between; none is none", () => {
  const [one, other] = [`${vkey} https://w.example/log`, `${vkey} http://127.0.0.1:3036`];
  expect(parse(`${one}, ${other}`)).toEqual({ config: { AUDIT_WITNESSES: [one, other] } });
  expect(parse("")).toEqual({ config: { AUDIT_WITNESSES: [] } });
});

test.each([
  ["no URL", vkey],
  ["no key", "https://w.example"],
  ["a key of a log", `${plain} https://w.example`],
  ["a key that is cut", `${vkey.slice(0, -4)} https://w.example`],
  ["another scheme", `${vkey} ftp://w.example`],
])("%s is a fault", (_, text) => {
  expect(parse(text)).toMatchObject({ faults: [expect.stringMatching(/^AUDIT_WITNESSES is /)] });
});

test("production asks no witness in clear", () => {
  expect(parse(`${vkey} https://w.example`, "production")).toHaveProperty("config");
  expect(parse(`${vkey} http://w.example`, "production")).toEqual({
    faults: [expect.stringContaining("asks w.example by http")],
  });
});
