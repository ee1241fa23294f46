import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished, test } from "vitest";
import { startMark } from "./processes.mjs";
import { lookForRunning } from "./running.mjs";

const self = { name: "edge", pid: process.pid, startedAt: startMark(process.pid) };
const gone = { ...self, startedAt: "of another" };

/** An edge that answers its asks with these in turn, the last one for ever; and how often it was asked. */
async function edgeThatAnswers(answers: readonly { status: number; afterMs?: number }[]) {
  let asked = 0;
  const server = createServer((_request, response) => {
    const { status, afterMs = 0 } = answers[Math.min(asked, answers.length - 1)] ?? { status: 500 };
    asked += 1;
    setTimeout(() => response.writeHead(status).end(), afterMs);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { edge: `http://127.0.0.1:${port}`, asked: () => asked };
}

const look = async (states: readonly (object | null)[], answerMs?: number) => {
  let reads = 0;
  let waits = 0;
  const read = () => states[Math.min(reads++, states.length - 1)] ?? null;
  const { kind } = await lookForRunning({
    read,
    waits: () => {
      waits += 1;
    },
    ...(answerMs !== undefined && { answerMs }),
  });
  return { kind, waits };
};

test("an edge that answers is well", async () => {
  const { edge } = await edgeThatAnswers([{ status: 200 }]);
  assert.deepEqual(await look([{ edge, processes: [self] }]), { kind: "well", waits: 0 });
});

test("an edge that takes longer than a second each time is well, and not another start at work", async () => {
  const { edge } = await edgeThatAnswers([{ status: 200, afterMs: 1_100 }]);
  const state = { edge, processes: [self], runner: self };
  assert.deepEqual(await look([state]), { kind: "well", waits: 1 });
});

test("an edge that is not ready yet is asked again", async () => {
  const { edge, asked } = await edgeThatAnswers([
    { status: 503 },
    { status: 503 },
    { status: 200 },
  ]);
  assert.deepEqual(await look([{ edge, processes: [self] }]), { kind: "well", waits: 1 });
  assert.equal(asked(), 3);
});

test("an edge that never answers well is told of while its start watches, and else is what is left", async () => {
  const { edge, asked } = await edgeThatAnswers([{ status: 404 }]);
  const state = { edge, processes: [self] };
  assert.deepEqual(await look([{ ...state, runner: self }], 500), { kind: "unwell", waits: 1 });
  assert.deepEqual(await look([{ ...state, runner: gone }], 500), { kind: "remains", waits: 1 });
  assert.ok(asked() >= 2);
});

test("what ends while its edge is waited for is not waited for any longer", async () => {
  const { edge, asked } = await edgeThatAnswers([{ status: 503 }]);
  const state = { edge, processes: [self, self] };
  assert.deepEqual(await look([state, null]), { kind: "nothing", waits: 1 });
  assert.deepEqual(await look([state, { ...state, processes: [gone, self] }]), {
    kind: "remains",
    waits: 1,
  });
  assert.equal(asked(), 2);
});

test.each([
  ["no state", null, "nothing"],
  ["no process of it is left", { edge: "http://127.0.0.1:9", processes: [gone] }, "nothing"],
  ["it has no edge yet", { processes: [self], runner: self }, "starting"],
  [
    "a part of it ended while its start watches",
    { edge: "http://127.0.0.1:9", processes: [self, gone], runner: self },
    "broken",
  ],
  ["its start was killed", { processes: [self], runner: gone }, "remains"],
  ["servers in containers", { mode: "docker", processes: [], runner: gone }, "remains"],
])("without asking anybody: %s", async (_what, state, kind) => {
  assert.deepEqual(await look([state]), { kind, waits: 0 });
});
