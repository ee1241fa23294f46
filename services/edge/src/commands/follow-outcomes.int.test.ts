import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@vigie/core/log";
import { type Codecs, openCodecs } from "@vigie/schemas/codecs";
import type { SessionCommandResult, SessionEpoch } from "@vigie/schemas/types";
import { followTopics } from "@vigie/service-kit/follow-topics";
import type { EventOutput } from "@vigie/service-kit/output/event-output";
import { kafkaOutput } from "@vigie/service-kit/output/kafka-output";
import { DenialBook } from "@vigie/service-kit/sessions/denial-book";
import { openBatchingProducer } from "@vigie/stream/kafka/producer";
import { eventually } from "@vigie/testkit/eventually";
import { type ServiceStack, serviceStack } from "@vigie/testkit/service-stack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { outcomeTakers } from "./follow-outcomes.ts";
import { createOutcomes } from "./outcomes.ts";

let servers: ServiceStack;
let codecs: Codecs;
let output: EventOutput;
let cacheDir: string;

beforeAll(async () => {
  servers = await serviceStack();
  const { registry: registryUrl, prefix, client } = servers;
  cacheDir = mkdtempSync(join(tmpdir(), "vigie-outcomes-"));
  codecs = await openCodecs({ registryUrl, prefix, cacheDir, log: silentLogger });
  codecs.encoder("id.session.command.result");
  codecs.encoder("id.session.epoch");
  await codecs.ready();
  output = kafkaOutput(await openBatchingProducer(client), prefix);
});
afterAll(async () => {
  await output?.close();
  codecs?.close();
  await servers?.close();
  rmSync(cacheDir, { recursive: true, force: true });
});

const result = (id: string): SessionCommandResult => ({
  command_id: id,
  batch_id: null,
  tenant_id: "acme",
  user_id: `u-${id}`,
  revoked_session_ids: ["s-1"],
  already_ended: 0,
  decided_at: 1_767_607_200_000,
});

const told = (id: string) =>
  output.publish({
    topic: "id.session.command.result",
    key: `acme|u-${id}`,
    value: codecs.encoder<SessionCommandResult>("id.session.command.result").encode(result(id)),
  });

async function follow() {
  const book = new DenialBook(Date.now);
  const outcomes = createOutcomes(book);
  const states: boolean[] = [];
  const { client, prefix } = servers;
  const onState = (up: boolean) => void states.push(up);
  const following = followTopics({
    client,
    prefix,
    codecs,
    takers: outcomeTakers(outcomes),
    log: silentLogger,
    name: "outcomes",
    onState,
  });
  await eventually(() => expect(states.at(-1)).toBe(true));
  return { outcomes, book, stop: () => following.stop() };
}

test("outcomes of all partitions are told as they come; what lay there before is not", async () => {
  await told("before");
  const { outcomes, stop } = await follow();
  const ids = Array.from({ length: 30 }, (_, i) => `c-${i}`);
  const waiting = ids.map((id) => outcomes.commands.wait(id, 10_000));
  await Promise.all(ids.map(told));
  assert.deepEqual(await Promise.all(waiting), ids.map(result));
  assert.equal(outcomes.commands.find("before"), null);
  await stop();
});

const session = (userId: string) => ({
  tenantId: "acme",
  userId,
  sessionId: "s-1",
  orgId: null,
  roles: [],
  channel: "WEB" as const,
  startedAtMs: 1_767_607_200_000,
});

test("REV-12: whoever is told what a command did finds it denied already", async () => {
  const { outcomes, book, stop } = await follow();
  const ids = Array.from({ length: 30 }, (_, i) => `d-${i}`);
  const denied = ids.map(async (id) => {
    await outcomes.commands.wait(id, 10_000);
    return book.denialOf(session(`u-${id}`))?.by;
  });
  await Promise.all(ids.map(told));
  assert.deepEqual(
    await Promise.all(denied),
    ids.map(() => "revocation"),
  );
  await stop();
});

test("an epoch is told, and a record that cannot be read does not end the following", async () => {
  const { outcomes, book, stop } = await follow();
  await output.publish({
    topic: "id.session.epoch",
    key: "acme|TENANT|",
    value: Buffer.from("none of ours"),
  });
  const epoch: SessionEpoch = {
    epoch_id: "e-1",
    tenant_id: "acme",
    scope: "TENANT",
    value: null,
    not_before: 1_767_607_200_000,
    reason: "test",
    actor: { type: "ADMIN", id: "a", impersonator_id: null },
  };
  const value = codecs.encoder<SessionEpoch>("id.session.epoch").encode(epoch);
  await output.publish({ topic: "id.session.epoch", key: "acme|TENANT|", value });
  assert.deepEqual(await outcomes.epochs.wait("e-1", 10_000), epoch);
  assert.equal(book.denialOf(session("u-1"))?.by, "epoch");
  await stop();
});
