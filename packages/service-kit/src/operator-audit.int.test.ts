import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@vigie/core/log";
import { topicDefinitions } from "@vigie/schemas/catalogue";
import { openCodecs } from "@vigie/schemas/codecs";
import { provisionTopics, registerSchemas } from "@vigie/schemas/provision";
import type { AuditEvent } from "@vigie/schemas/types";
import { openAdmin } from "@vigie/stream/kafka/admin";
import { openKafka } from "@vigie/stream/kafka/client";
import { openLoneReader } from "@vigie/stream/kafka/lone-reader";
import { stack } from "@vigie/testkit/stack";
import { onTestFinished, test } from "vitest";
import { operatorAuditOf } from "./operator-audit.ts";

test("AUD-01: an operator's deed and the end of its series lie on id.audit; without the contract nothing is done", async () => {
  const servers = await stack();
  const { kafka, registry, prefix } = servers;
  const env = {
    KAFKA_BROKERS: kafka,
    SCHEMA_REGISTRY_URL: registry,
    VIGIE_TOPIC_PREFIX: prefix,
  };
  const client = openKafka({ brokers: [kafka], clientId: "operator-audit", log: silentLogger });
  const admin = await openAdmin(client);
  const reader = await openLoneReader(client);
  const cacheDir = mkdtempSync(join(tmpdir(), "vigie-operator-test-"));
  const codecs = await openCodecs({ registryUrl: registry, cacheDir, prefix, log: silentLogger });
  onTestFinished(async () => {
    codecs.close();
    await reader.close();
    const topics = topicDefinitions({ prefix, replicationFactor: 1 });
    await admin.deleteTopics(topics.map(({ topic }) => topic));
    await admin.close();
    await servers.close();
    rmSync(cacheDir, { recursive: true });
  });
  await assert.rejects(operatorAuditOf(env), { code: "VIG_AUDIT_WRITE_FAILED" });

  await provisionTopics(admin, { prefix, replicationFactor: 1 });
  await registerSchemas({ registryUrl: registry, prefix });
  const audit = await operatorAuditOf(env);
  assert(audit !== null);
  await audit.record({ action: "keys.rotated", payload: { keys: "master", key_id: "k2" } });
  await audit.close();

  const decoder = codecs.decoder<AuditEvent>("id.audit");
  const written: Buffer[] = [];
  const topic = `${prefix}id.audit`;
  for (const partition of (await reader.endOffsets(topic)).keys()) {
    const range = { topic, partition, from: "earliest", to: "end" } as const;
    await reader.read(range, (records) => {
      for (const { value } of records) written.push(value as Buffer);
    });
  }
  const found: AuditEvent[] = [];
  for (const value of written) {
    let decoded = decoder.decode(value);
    while (decoded.kind === "later") {
      await decoded.ready;
      decoded = decoder.decode(value);
    }
    assert(decoded.kind === "ok");
    found.push(decoded.value);
  }
  assert.deepEqual(
    found.map(({ action, emitter_seq }) => [action, emitter_seq]),
    [
      ["keys.rotated", 1],
      ["audit.series_closed", 2],
    ],
  );
});
