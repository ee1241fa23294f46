import assert from "node:assert/strict";
import { test } from "vitest";
import { type Caused, causeOf } from "./cause.ts";

const command: Caused = { epoch_id: null, anomaly_id: null, actor_type: "USER", actor_id: "u-1" };

test.each<[string, Partial<Caused>]>([
  ["user", {}],
  ["admin", { actor_type: "ADMIN" }],
  ["epoch", { actor_type: "ADMIN", epoch_id: "e-1" }],
  ["anomaly", { actor_type: "POLICY", actor_id: "geo_block", anomaly_id: "a-1" }],
  ["session_limit", { actor_type: "POLICY", actor_id: "session_limit" }],
  ["password_change", { actor_type: "POLICY", actor_id: "password_change" }],
  ["sira", { actor_type: "SYSTEM", actor_id: "sira" }],
  ["sira", { actor_type: "SYSTEM", actor_id: "sira", anomaly_id: "a-1" }],
  ["system", { actor_type: "SYSTEM", actor_id: "any-service" }],
  ["user", { actor_id: "sira" }],
])("OBS-03: %s is the cause of a revocation with %j", (cause, over) => {
  assert.equal(causeOf({ ...command, ...over }), cause);
});
