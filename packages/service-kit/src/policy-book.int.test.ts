import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@vigie/core/log";
import { topicDefinitions } from "@vigie/schemas/catalogue";
import { openCodecs } from "@vigie/schemas/codecs";
import { provisionTopics, registerSchemas } from "@vigie/schemas/provision";
import type { SessionPolicy } from "@vigie/schemas/types";
import { openAdmin } from "@vigie/stream/kafka/admin";
import { openKafka } from "@vigie/stream/kafka/client";
import { openBatchingProducer } from "@vigie/stream/kafka/producer";
import { eventually } from "@vigie/testkit/eventually";
import { stack } from "@vigie/testkit/stack";
import { onTestFinished, test } from "vitest";
import { followPolicies } from "./policy-book.ts";

test("POL-05: the book waits for its topic, knows what lies there, and follows what comes", async () => {
  const servers = await stack();
  const { kafka, registry, prefix } = servers;
  const client = openKafka({ brokers: [kafka], clientId: "policy-book", log: silentLogger });
  const cacheDir = mkdtempSync(join(tmpdir(), "vigie-policies-"));
  const codecs = await openCodecs({ registryUrl: registry, cacheDir, prefix, log: silentLogger });
  const admin = await openAdmin(client);
  const states: boolean[] = [];
  const book = followPolicies({
    client,
    prefix,
    codecs,
    log: silentLogger,
    health: { declare: () => {}, set: (_, up) => states.push(up) },
  });
  onTestFinished(async () => {
    await book.stop();
    codecs.close();
    await admin.deleteTopics(
      topicDefinitions({ prefix, replicationFactor: 1 }).map(({ topic }) => topic),
    );
    await admin.close();
    await servers.close();
    rmSync(cacheDir, { recursive: true });
  });
  await eventually(() => assert.deepEqual(states, [false]));
  assert.equal(book.ready, false);
  assert.equal(book.of("acme").version, 0);

  await provisionTopics(admin, { prefix, replicationFactor: 1 });
  await registerSchemas({ registryUrl: registry, prefix });
  const encoder = codecs.encoder<SessionPolicy>("id.session.policy");
  await codecs.ready();
  const producer = await openBatchingProducer(client);
  onTestFinished(() => producer.close());
  const put = (tenant_id: string, version: number, minutes: number) =>
    producer.publish({
      topic: `${prefix}id.session.policy`,
      key: tenant_id,
      value: encoder.encode({
        tenant_id,
        version,
        updated_at: 0,
        actor: { type: "ADMIN", id: "a", impersonator_id: null },
        document: JSON.stringify({ idle_timeout: { minutes } }),
      }),
    });
  await put("*", 1, 12);
  await eventually(() => assert.equal(book.of("acme").document.idle_timeout.minutes, 12));
  assert.equal(book.ready, true);
  await put("acme", 4, 9);
  await eventually(() => assert.equal(book.of("acme").version, 4));
  assert.equal(book.of("acme").document.idle_timeout.minutes, 9);
  assert.equal(book.of("other").document.idle_timeout.minutes, 12);
});
