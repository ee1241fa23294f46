import assert from "node:assert/strict";
import { test } from "vitest";
import { Hopeless, until } from "./until.ts";

test("who looks again gets what is found, or why nothing was", async () => {
  let looks = 0;
  const look = (): number | null => {
    looks += 1;
    if (looks === 1) throw new Error("not yet");
    return looks === 3 ? looks : null;
  };
  assert.equal(await until("the third", look, 30_000, 1), 3);
  const never = until("it", () => Promise.reject(new Error("away")), 5, 1);
  await assert.rejects(never, ({ message, cause }: Error) => {
    assert.equal(message, "not within 5 ms: it");
    return /away/.test(String(cause));
  });
  await assert.rejects(
    until("it", () => Promise.reject(new Hopeless("ended"))),
    Hopeless,
  );
});

test("who is asked and never answers is not waited for beyond the deadline", async () => {
  const silent = until("an answer", () => new Promise<number>(() => undefined), 20);
  await assert.rejects(silent, { message: "not within 20 ms: an answer" });
});
