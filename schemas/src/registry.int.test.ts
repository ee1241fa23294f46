import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { silentLogger } from "@vigie/core/log";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { subjectOf, topicNames } from "./catalogue.ts";
import { contractOf } from "./codec-core.ts";
import { openCodecs } from "./codecs.ts";
import { registerSchemas } from "./provision.ts";
import { openRegistry } from "./registry.ts";
import { sampleLogin } from "./samples.ts";
import type { LoginEvent } from "./types.ts";

let servers: TestStack;
let cacheDir: string;

beforeAll(async () => {
  servers = await stack();
  cacheDir = mkdtempSync(join(tmpdir(), "vigie-schemas-"));
});
afterAll(async () => {
  rmSync(cacheDir, { recursive: true });
  await servers.close();
});

test("contracts are registered once, whatever how often, and never incompatibly", async () => {
  const { registry: registryUrl, prefix } = servers;
  const first = await registerSchemas({ registryUrl, prefix });
  expect(first.map(({ subject }) => subject)).toEqual(
    topicNames.map((topic) => subjectOf(prefix, topic)),
  );
  expect(await registerSchemas({ registryUrl, prefix })).toEqual(first);

  const subject = subjectOf(prefix, "id.geo.prefs");
  const { schema } = contractOf("id.geo.prefs");
  const registry = openRegistry(registryUrl);
  const register = (fields: typeof schema.fields) =>
    registry.register(subject, JSON.stringify({ ...schema, fields }));
  await expect(register(schema.fields.slice(1))).rejects.toThrow("VIG_SCHEMA_INCOMPATIBLE");
  const added = { name: "x", type: "int" } as const;
  await expect(register([...schema.fields, added])).rejects.toThrow("VIG_SCHEMA_INCOMPATIBLE");
  const newest = await register([...schema.fields, { ...added, default: 0 }]);
  expect(await registry.newestOf(subject)).toBe(newest);
  expect(await registry.newestOf(`${subject}-none`)).toBeNull();
});

test("a registry that leaves some requests without an answer, or is busy, is asked again", async () => {
  const { registry, prefix } = servers;
  const origin = new URL(registry);
  const unanswered: string[] = [];
  let asked = 0;
  const between = createServer(async (request, response) => {
    const to = new URL(request.url ?? "", origin);
    const method = request.method ?? "";
    const body = method === "GET" ? {} : { body: await buffer(request) };
    const headers = { "content-type": "application/vnd.schemaregistry.v1+json" };
    const answer = await fetch(to, { method, headers, ...body });
    const text = await answer.text();
    asked += 1;
    // Every ninth was done and is not told of; the fifth is refused.
    if (asked % 9 === 1) unanswered.push(method);
    else if (asked === 5) response.writeHead(503).end();
    else response.writeHead(answer.status, headers).end(text);
  });
  await once(between.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => {
    between.closeAllConnections();
    between.close();
  });
  const { port } = between.address() as AddressInfo;
  const registryUrl = `http://127.0.0.1:${port}${origin.pathname}`;
  const registered = await registerSchemas({
    registryUrl,
    prefix: `${prefix}patient.`,
    requestTimeoutMs: 1_000,
  });
  expect(registered).toHaveLength(topicNames.length);
  expect(unanswered).toEqual(expect.arrayContaining(["PUT", "POST"]));
  expect(await registerSchemas({ registryUrl: registry, prefix: `${prefix}patient.` })).toEqual(
    registered,
  );
});

test("the codecs speak through the registry, and through its outage", async () => {
  const options = { cacheDir, prefix: servers.prefix, log: silentLogger };
  const online = await openCodecs({ ...options, registryUrl: servers.registry });
  const encoder = online.encoder<LoginEvent>("id.login");
  await online.ready();
  const bytes = encoder.encode(sampleLogin);
  const decoder = online.decoder<LoginEvent>("id.login");
  const first = decoder.decode(bytes);
  if (first.kind === "later") await first.ready;
  expect(decoder.decode(bytes)).toEqual({ kind: "ok", value: sampleLogin });

  const offline = await openCodecs({ ...options, registryUrl: "http://127.0.0.1:1" });
  const kept = offline.decoder<LoginEvent>("id.login");
  const later = kept.decode(bytes);
  if (later.kind === "later") await later.ready;
  expect(kept.decode(bytes)).toEqual({ kind: "ok", value: sampleLogin });
  online.close();
  offline.close();
});

test("an id that the registry has not given is a dead letter", async () => {
  const options = { cacheDir, prefix: servers.prefix, log: silentLogger };
  const codecs = await openCodecs({ ...options, registryUrl: servers.registry });
  const decoder = codecs.decoder("id.login");
  const bytes = Buffer.from([0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3]);
  const first = decoder.decode(bytes);
  if (first.kind === "later") await first.ready;
  expect(decoder.decode(bytes)).toMatchObject({ code: "VIG_RECORD_SCHEMA_UNKNOWN" });
  codecs.close();
});
