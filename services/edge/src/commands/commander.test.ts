import assert from "node:assert/strict";
import { SessionName } from "@vigie/core/keys";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import { memoryOutput } from "@vigie/service-kit/output/memory-output";
import type { Database } from "@vigie/service-kit/postgres/database";
import { DenialBook } from "@vigie/service-kit/sessions/denial-book";
import { test } from "vitest";
import { NOW_MS } from "../test-edge.ts";
import { type Commander, createCommander } from "./commander.ts";
import { createOutcomes } from "./outcomes.ts";

const row = {
  command_id: "c-1",
  batch_id: null,
  user_key: "u-1",
  decided_at: new Date(NOW_MS),
  revoked_session_keys: ["s-1"],
  already_ended: 0,
};
const tables: Pick<Database, "inTenant"> = {
  inTenant: (_tenantId, work) => work({ query: async () => ({ rows: [row], count: 1 }) } as never),
};

const order = {
  commandId: "c-1",
  tenantId: "acme",
  userId: "u-1",
  target: { kind: "session", sessionId: "s-1" },
  reason: "user_request",
  actor: { type: "USER", id: "u-1", impersonator_id: null, ip: null, user_agent: null },
} as const;

test.each<[string, (commander: Commander) => Promise<unknown>]>([
  ["who waits for it", (commander) => commander.outcome(order)],
  ["who asks for it later", (commander) => commander.stateOf("acme", "c-1")],
])("REV-12: what PostgreSQL tells of a command is denied before %s hears it", async (_, ask) => {
  const book = new DenialBook(() => NOW_MS);
  const commander = createCommander({
    output: memoryOutput(),
    codecs: memoryCodecs(),
    clock: () => NOW_MS,
    database: tables as Database,
    outcomes: createOutcomes(book),
    commandWaitMs: 1,
  });
  assert.notEqual(await ask(commander), null);
  assert.notEqual(book.revocationOf(new SessionName("acme", "u-1", "s-1")), null);
});
