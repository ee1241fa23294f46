import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@vigie/core/log";
import { eventually } from "@vigie/testkit/eventually";
import { afterEach, beforeEach, expect, test } from "vitest";
import { registeredText } from "./codec-core.ts";
import { type Codecs, openCodecs } from "./codecs.ts";
import { memoryCodecs } from "./memory-codecs.ts";
import { sampleLogin } from "./samples.ts";
import type { LoginEvent } from "./types.ts";

/** What the registry's stand-in says, by method and path; it counts what it is asked. */
interface Script {
  status: number;
  body: string;
}
let script: (request: string) => Script;
let asked: string[];
let server: Server;
let cacheDir: string;
let opened: Codecs[];
let told: boolean[];

const json = (status: number, body: object): Script => ({ status, body: JSON.stringify(body) });
const noSchema = json(404, { error_code: 40403, message: "Schema not found" });
const loginId = memoryCodecs().schemaIdOf("id.login");
const NEWEST = "GET /subjects/p.id.login-value/versions/latest";
const bytes = memoryCodecs().encoder<LoginEvent>("id.login").encode(sampleLogin);
const knowsLogin = (request: string): Script => {
  if (request === `GET /schemas/ids/${loginId}`)
    return json(200, { schema: registeredText("id.login") });
  if (request === "POST /subjects/p.id.login-value") return json(200, { id: loginId });
  if (request === NEWEST) return json(200, { id: loginId, version: 1 });
  return noSchema;
};

beforeEach(async () => {
  asked = [];
  opened = [];
  told = [];
  script = knowsLogin;
  cacheDir = mkdtempSync(join(tmpdir(), "vigie-schemas-"));
  server = createServer((request, response) => {
    const name = `${request.method} ${request.url}`;
    asked.push(name);
    const { status, body } = script(name);
    response.writeHead(status, { "content-type": "application/json" }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});

afterEach(async () => {
  for (const codecs of opened) codecs.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(cacheDir, { recursive: true });
});

async function open(more: { readonly registerMissing?: boolean } = {}): Promise<Codecs> {
  const { port } = server.address() as AddressInfo;
  const codecs = await openCodecs({
    registryUrl: `http://127.0.0.1:${port}`,
    cacheDir,
    prefix: "p.",
    log: silentLogger,
    observer: { dependency: ({ up }) => told.push(up) },
    ...more,
  });
  opened.push(codecs);
  return codecs;
}

/** What it was asked for schemas by their ids. */
const askedById = () => asked.filter((request) => request.startsWith("GET /schemas/ids/"));

/** Asks, waits for what is to be fetched, asks again, as a task does. */
async function decode(codecs: Codecs, value: Uint8Array = bytes) {
  const decoder = codecs.decoder<LoginEvent>("id.login");
  for (;;) {
    const outcome = decoder.decode(value);
    if (outcome.kind !== "later") return outcome;
    await outcome.ready;
  }
}

const away: readonly [string, Script][] = [
  ["an error of its own", json(500, { error_code: 50001, message: "backend" })],
  ["a proxy's 404", { status: 404, body: "<html>no such page</html>" }],
  ["an empty 404", { status: 404, body: "" }],
  ["a page instead of an answer", { status: 200, body: "<html>sign in</html>" }],
  ["null", { status: 200, body: "null" }],
  ["refused credentials", json(401, { error_code: 401, message: "who are you" })],
];

test.each(away)("%s is an outage: waited out, never a dead letter", async (_name, answer) => {
  script = () => answer;
  const codecs = await open();
  const first = codecs.decoder("id.login").decode(bytes);
  expect(first.kind).toBe("later");
  const outcome = decode(codecs);
  await eventually(() => expect(told.filter((up) => !up).length).toBeGreaterThan(1));
  script = knowsLogin;
  expect(await outcome).toEqual({ kind: "ok", value: sampleLogin });
  expect(told.at(-1)).toBe(true);
});

test.each(away)("%s just before it is back makes no dead letter", async (_name, answer) => {
  script = (request) =>
    request.startsWith("GET /schemas/ids/") && askedById().length === 1
      ? answer
      : knowsLogin(request);
  expect(await decode(await open())).toEqual({ kind: "ok", value: sampleLogin });
  expect(askedById()).toHaveLength(2);
});

test("a schema that the registry does not know is a dead letter, asked for once", async () => {
  const codecs = await open();
  const unknown = Buffer.concat([Buffer.from([0, 0, 0, 9, 9]), bytes.subarray(5)]);
  for (let i = 0; i < 3; i++) {
    const outcome = await decode(codecs, unknown);
    expect(outcome).toMatchObject({ kind: "dlq", code: "VIG_RECORD_SCHEMA_UNKNOWN" });
  }
  const forIt = askedById().filter((request) => request.endsWith("/2313"));
  // Once by the client, once plainly to be sure.
  expect(forIt).toHaveLength(2);
});

test("a schema is fetched once, whoever asks", async () => {
  const codecs = await open();
  await Promise.all([decode(codecs), decode(codecs), decode(codecs)]);
  await decode(codecs);
  expect(askedById()).toEqual([`GET /schemas/ids/${loginId}`]);
  expect(asked.filter((request) => request === NEWEST)).toHaveLength(1);
});

test("a topic's newest schema is known before its first record, which may come in an outage", async () => {
  const decoder = (await open()).decoder<LoginEvent>("id.login");
  const onDisk = join(cacheDir, `${loginId}.avsc`);
  await eventually(() => expect(existsSync(onDisk)).toBe(true));
  script = () => json(503, {});
  expect(decoder.decode(bytes)).toEqual({ kind: "ok", value: sampleLogin });
});

test("a registry that comes back is asked for the newest schemas that it could not give", async () => {
  script = () => json(503, {});
  const decoder = (await open()).decoder<LoginEvent>("id.login");
  await eventually(() => expect(told.at(-1)).toBe(false));
  script = knowsLogin;
  await eventually(() => expect(askedById()).toHaveLength(1));
  await eventually(() => expect(readdirSync(cacheDir)).toHaveLength(1));
  expect(decoder.decode(bytes)).toEqual({ kind: "ok", value: sampleLogin });
});

test.each([
  ["no subject", json(404, { error_code: 40401 })],
  ["no version", json(404, { error_code: 40402 })],
])("%s of a topic is nothing to foresee, and no outage", async (_name, none) => {
  script = (request) => (request === NEWEST ? none : knowsLogin(request));
  expect((await decode(await open())).kind).toBe("ok");
  await eventually(() => expect(told.length).toBeGreaterThan(1));
  expect(told).not.toContain(false);
  expect(asked.filter((request) => request === NEWEST)).toHaveLength(1);
});

test.each([
  [
    "protobuf",
    { schemaType: "PROTOBUF", schema: 'syntax = "proto3"; message A { string a = 1; }' },
  ],
  ["no schema at all", { schema: "{nonsense" }],
])("a schema that is %s makes its records not Avro", async (_name, answer) => {
  script = () => json(200, answer);
  expect(await decode(await open())).toMatchObject({ kind: "dlq", code: "VIG_RECORD_NOT_AVRO" });
});

test("what is known on disk does not need the registry, in a new process either", async () => {
  const first = await open();
  await decode(first);
  first.encoder("id.login");
  await first.ready();
  script = () => json(503, {});
  const second = await open();
  expect(await decode(second)).toEqual({ kind: "ok", value: sampleLogin });
  const encoder = second.encoder<LoginEvent>("id.login");
  await second.ready();
  expect(encoder.encode(sampleLogin).equals(bytes)).toBe(true);
});

test("a registry that lost its schemas does not make old records unreadable", async () => {
  await decode(await open());
  script = () => noSchema;
  expect((await decode(await open())).kind).toBe("ok");
});

test("a registry that gave the id to another schema is believed over the disk", async () => {
  await decode(await open());
  script = () => json(200, { schema: registeredText("id.mfa") });
  expect(await decode(await open())).toMatchObject({ code: "VIG_RECORD_UNDECODABLE" });
});

test("a torn file on disk counts as missing", async () => {
  await decode(await open());
  for (const file of readdirSync(cacheDir)) writeFileSync(join(cacheDir, file), '{"type":"rec');
  expect((await decode(await open())).kind).toBe("ok");
  expect(askedById()).toHaveLength(2);
});

test("a contract that is not registered is told at start", async () => {
  const codecs = await open();
  codecs.encoder("id.mfa");
  await expect(codecs.ready()).rejects.toThrow("VIG_SCHEMA_NOT_REGISTERED: subject p.id.mfa-value");
});

test("a contract that is not registered is registered where that is allowed", async () => {
  const mfa = JSON.stringify({ id: 77, schema: registeredText("id.mfa") });
  let registered = false;
  script = (request) => {
    if (request === "POST /subjects/p.id.mfa-value/versions") registered = true;
    return registered ? { status: 200, body: mfa } : noSchema;
  };
  const codecs = await open({ registerMissing: true });
  codecs.encoder("id.mfa");
  await codecs.ready();
  expect(registered).toBe(true);
  expect(asked).toContain("PUT /config/p.id.mfa-value");
});

test("a contract that the registry refuses is told at start, not waited out", async () => {
  script = (request) => (request.endsWith("/versions") ? json(409, { error_code: 409 }) : noSchema);
  const codecs = await open({ registerMissing: true });
  codecs.encoder("id.mfa");
  await expect(codecs.ready()).rejects.toThrow("VIG_SCHEMA_INCOMPATIBLE");
});

test("a registry that comes back is noticed, though what is on disk serves", async () => {
  await decode(await open());
  script = () => json(503, {});
  await decode(await open());
  await eventually(() => expect(told.at(-1)).toBe(false));
  script = knowsLogin;
  await eventually(() => expect(told.at(-1)).toBe(true));
});

test("an encoder waits for a registry that is away", async () => {
  script = () => json(503, {});
  const codecs = await open();
  const encoder = codecs.encoder<LoginEvent>("id.login");
  const ready = codecs.ready();
  await eventually(() => expect(told.length).toBeGreaterThan(1));
  script = knowsLogin;
  await ready;
  expect(encoder.encode(sampleLogin).equals(bytes)).toBe(true);
});

test("encoding before the id is known is a fault of ours", async () => {
  script = () => json(503, {});
  const codecs = await open();
  const encoder = codecs.encoder<LoginEvent>("id.login");
  expect(() => encoder.encode(sampleLogin)).toThrow("VIG_INVARIANT");
});

test("closed, it asks no more, and nobody is told to ask again", async () => {
  script = () => json(503, {});
  const codecs = await open();
  const outcome = codecs.decoder("id.login").decode(bytes);
  await eventually(() => expect(asked.length).toBeGreaterThan(2));
  codecs.close();
  let ready = false;
  if (outcome.kind === "later") void outcome.ready.then(() => (ready = true));
  const before = told.length;
  await new Promise((resolve) => setImmediate(resolve));
  expect(ready).toBe(false);
  // The record's question and the newest schema's may have been under way.
  expect(told.length - before).toBeLessThanOrEqual(2);
});
