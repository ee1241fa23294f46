import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import type { AuditEvent } from "@vigie/schemas/types";
import { test } from "vitest";
import { operatorAuditOf, operatorSeries } from "./operator-audit.ts";

const NOW_MS = Date.UTC(2026, 0, 5);
const who = "ada@host-1";

function taken(takes: () => boolean = () => true) {
  const events: AuditEvent[] = [];
  const publish = async (key: string, event: AuditEvent) => {
    if (!takes()) throw new VigError("VIG_BROKER_AWAY", { why: "it is told to be" });
    assert.equal(key, event.emitter);
    events.push(event);
  };
  return { events, series: operatorSeries(publish, { who, nowMs: () => NOW_MS }) };
}

test("AUD-01: what an operator does is a series of its own, numbered from 1 and closed", async () => {
  const { events, series } = taken();
  await series.record({ action: "keys.rotated", payload: { keys: "master", key_id: "k2" } });
  await series.close();
  assert.deepEqual(
    events.map(({ action, emitter_seq }) => [action, emitter_seq]),
    [
      ["keys.rotated", 1],
      ["audit.series_closed", 2],
    ],
  );
  assert.equal(new Set(events.map(({ emitter }) => emitter)).size, 1);
  const [deed, closing] = events;
  assert.partialDeepStrictEqual(deed, {
    tenant_id: "platform",
    occurred_at: NOW_MS,
    subject_user_id: null,
    actor: { type: "ADMIN", id: who, user_agent: "unknown" },
    payload: '{"key_id":"k2","keys":"master"}',
  });
  assert.partialDeepStrictEqual(JSON.parse(closing?.payload ?? ""), { records: 2 });
});

test("a series without a deed leaves nothing", async () => {
  const { events, series } = taken();
  await series.close();
  assert.deepEqual(events, []);
});

test("a record that the broker does not take fails the deed", async () => {
  let isThere = false;
  const { events, series } = taken(() => isThere);
  await assert.rejects(series.record({ action: "keys.rotated", payload: {} }), {
    code: "VIG_AUDIT_WRITE_FAILED",
  });
  isThere = true;
  await series.close();
  assert.deepEqual(events, [], "a series whose record may be missing is not called whole");
});

test("an environment that names no broker has no audit", async () => {
  assert.equal(await operatorAuditOf({}), null);
});
