import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { SessionName } from "@vigie/core/keys";
import { test } from "vitest";
import { restingStore } from "./resting-store.ts";
import type { SessionStore } from "./session-store.ts";

const name = new SessionName("t", "u", "s");

test("a store that is away is asked once in half a second, and at once again when it is back", async () => {
  let nowMs = 0;
  let asked = 0;
  let away = true;
  const inner: SessionStore = {
    lagMaxMs: 7,
    async find() {
      asked += 1;
      if (away) throw new VigError("VIG_REDIS_AWAY", { why: "test" });
      return { found: { kind: "none" }, partition: 0, appliedOffset: 0 };
    },
  };
  const store = restingStore(inner, () => nowMs);
  assert.equal(store.lagMaxMs, 7);
  const refused = () => assert.rejects(store.find(name), { code: "VIG_REDIS_AWAY" });
  for (let n = 0; n < 10; n += 1) await refused();
  assert.equal(asked, 1);
  nowMs += 500;
  await Promise.all([refused(), refused(), refused()]);
  assert.equal(asked, 2);
  away = false;
  nowMs += 500;
  await store.find(name);
  await store.find(name);
  assert.equal(asked, 4);
});
