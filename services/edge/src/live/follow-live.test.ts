import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { afterEach, beforeEach, test, vi } from "vitest";
import { followWhileNeeded } from "./follow-live.ts";
import { Hub } from "./hub.ts";

const REST_AFTER_MS = 1_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Following that is told by hand how it is. */
function world() {
  const hub = new Hub();
  const begun: ((isFollowing: boolean) => void)[] = [];
  let ended = 0;
  const feed = followWhileNeeded(
    hub,
    (onFollowing) => {
      begun.push(onFollowing);
      const stop = async () => {
        ended += 1;
      };
      return { stop };
    },
    REST_AFTER_MS,
  );
  const tell = (isFollowing: boolean, which = begun.length - 1) => begun[which]?.(isFollowing);
  return { hub, feed, tell, counts: () => [begun.length, ended] };
}

/** Whether what happens now would be told. */
const isFollowed = (hub: Hub): Promise<boolean> =>
  hub.following(0).then(
    () => true,
    () => false,
  );
async function followed(hub: Hub): Promise<boolean> {
  const answer = isFollowed(hub);
  await vi.advanceTimersByTimeAsync(0);
  return answer;
}

test("nothing is read while nobody needs it, and once for however many do", async () => {
  const { hub, counts, tell } = world();
  assert.deepEqual(counts(), [0, 0]);
  assert.equal(await followed(hub), false);
  const leave = [hub.need(), hub.need()];
  tell(true);
  assert.equal(await followed(hub), true);
  leave[0]?.();
  await vi.advanceTimersByTimeAsync(10 * REST_AFTER_MS);
  assert.deepEqual(counts(), [1, 0]);
  leave[1]?.();
  await vi.advanceTimersByTimeAsync(REST_AFTER_MS - 1);
  assert.deepEqual(counts(), [1, 0]);
  await vi.advanceTimersByTimeAsync(1);
  assert.deepEqual(counts(), [1, 1]);
  assert.equal(await followed(hub), false);
});

test("who comes back in time finds it going on; who comes later has it begin anew", async () => {
  const { hub, counts, tell } = world();
  const leave = hub.need();
  tell(true);
  leave();
  await vi.advanceTimersByTimeAsync(REST_AFTER_MS - 1);
  hub.need()();
  await vi.advanceTimersByTimeAsync(REST_AFTER_MS);
  assert.deepEqual(counts(), [1, 1]);
  hub.need();
  assert.deepEqual(counts(), [2, 1]);
  assert.equal(await followed(hub), false, "not before it says so");
  tell(true, 0);
  assert.equal(await followed(hub), false, "the one that has ended says nothing");
  tell(true);
  assert.equal(await followed(hub), true);
});

test("who waits is let in when it begins, and told when it does not in time", async () => {
  const { hub, tell } = world();
  hub.need();
  const late = assert.rejects(
    hub.following(100),
    (error) => error instanceof VigError && error.code === "VIG_BROKER_AWAY",
  );
  await vi.advanceTimersByTimeAsync(100);
  await late;
  const waiting = hub.following(100);
  tell(true);
  await waiting;
  tell(false);
  const again = hub.following(100);
  tell(true);
  await again;
});

test("after a stop nothing begins", async () => {
  const { hub, feed, counts } = world();
  hub.need();
  await feed.stop();
  assert.deepEqual(counts(), [1, 1]);
  hub.need();
  await vi.advanceTimersByTimeAsync(REST_AFTER_MS);
  assert.deepEqual(counts(), [1, 1]);
});
