import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { silentLogger } from "@vigie/core/log";
import { test } from "vitest";
import { createTopicEnds } from "./topic-ends.ts";

function open() {
  let nowMs = 1_000_000;
  const topic = { ends: [0, 0], away: false };
  const stable = async () => {
    if (topic.away) throw new VigError("VIG_BROKER_AWAY", { why: "test" });
    return [...topic.ends];
  };
  const ends = createTopicEnds({ stable, clock: () => nowMs, log: silentLogger });
  return { ends, topic, pass: (ms: number) => (nowMs += ms) };
}

test("nobody is current before the first look", () => {
  assert.equal(open().ends.isCurrent(0, 10, 5_000), false);
});

test("who has applied all that lay there the allowed time ago is current", async () => {
  const { ends, topic, pass } = open();
  topic.ends = [10, 0];
  await ends.look();
  topic.ends = [12, 0];
  pass(1_000);
  await ends.look();
  assert.equal(ends.isCurrent(0, 10, 2_000), true);
  assert.equal(ends.isCurrent(0, 9, 2_000), false);
  pass(1_001);
  assert.equal(ends.isCurrent(0, 10, 2_000), false);
  assert.equal(ends.isCurrent(0, 10, 5_000), true);
  assert.equal(ends.isCurrent(0, 12, 2_000), true);
});

test("on a topic where nothing happens whoever has applied all stays current", async () => {
  const { ends, topic, pass } = open();
  topic.ends = [10, 0];
  for (let n = 0; n < 20; n += 1) {
    await ends.look();
    pass(500);
    assert.equal(ends.isCurrent(0, 10, 2_000), true);
    assert.equal(ends.isCurrent(1, 0, 2_000), true);
  }
});

test("while the broker is away the last look counts for 5 s, then nobody is current", async () => {
  const { ends, topic, pass } = open();
  topic.ends = [10, 0];
  await ends.look();
  topic.away = true;
  pass(5_000);
  await assert.rejects(ends.look(), { code: "VIG_BROKER_AWAY" });
  assert.equal(ends.isCurrent(0, 10, 2_000), true);
  assert.equal(ends.isCurrent(0, 9, 2_000), false);
  pass(1);
  assert.equal(ends.isCurrent(0, 10, 2_000), false);
});
