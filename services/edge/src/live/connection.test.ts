import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { connect as connectTcp } from "node:net";
import { VigError } from "@vigie/core/errors";
import { SessionName } from "@vigie/core/keys";
import { memoryView } from "@vigie/service-kit/sessions/memory-view";
import type { SessionAnswer } from "@vigie/service-kit/sessions/view";
import { eventually } from "@vigie/testkit/eventually";
import type { FastifyRequest } from "fastify";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { WebSocket } from "ws";
import { memoryPolicyBook } from "../policies/memory-policies.ts";
import { NOW_MS, testEdge } from "../test-edge.ts";
import { issued, issuerAuth } from "../test-tokens.ts";
import { Connection } from "./connection.ts";
import { Doors } from "./doors.ts";
import { Hub } from "./hub.ts";
import type { Live } from "./live.ts";
import { epoch, portOf, state } from "./test-client.ts";

/** A socket whose other end answers pings and reads, or not. */
class FakeSocket extends EventEmitter {
  readonly sent: string[] = [];
  readonly ends: (readonly [number, string] | "terminated")[] = [];
  bufferedAmount = 0;
  answersPings = true;

  send(text: string): void {
    this.sent.push(text);
  }

  ping(): void {
    if (this.answersPings) this.emit("pong");
  }

  close(code: number, reason: string): void {
    this.ends.push([code, reason]);
  }

  terminate(): void {
    this.ends.push("terminated");
  }
}

let nowMs = NOW_MS;
beforeEach(() => {
  nowMs = NOW_MS;
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

function open(overrides: Partial<Live> = {}) {
  const socket = new FakeSocket();
  const hub = new Hub();
  hub.follows();
  const counted = { inc: () => {}, dec: () => {} };
  const limits = { connectionsMax: 10, perCallerMax: 10, bufferMaxBytes: 1_000 };
  const live = {
    auth: issuerAuth,
    view: memoryView(),
    policies: { ready: true },
    clock: () => nowMs,
    idDomainOrgs: new Set(["id"]),
    hub,
    liveLimits: limits,
    doors: new Doors(limits),
    told: { connections: counted, events: counted, closed: counted },
    textOf: () => "{}",
    ...overrides,
  } as unknown as Live;
  const request = { headers: {} } as FastifyRequest;
  new Connection(socket as unknown as WebSocket, request, live);
  return { socket, hub };
}

async function opened(overrides: Partial<Live> = {}) {
  const connection = open(overrides);
  connection.socket.emit("message", JSON.stringify({ type: "auth", token: await issued() }), false);
  await until(() => connection.socket.sent.length === 1);
  return connection;
}

/** Without moving the clock, as waiting by the test runner would. */
async function until(isSo: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 5_000;
  while (!isSo()) {
    assert.ok(performance.now() < deadlineMs, "it never came");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function pass(ms: number): Promise<void> {
  nowMs += ms;
  await vi.advanceTimersByTimeAsync(ms);
}

test("who does not say who they are within 5 s is cut off", async () => {
  const { socket } = open();
  await pass(4_999);
  assert.deepEqual(socket.ends, []);
  await pass(1);
  assert.deepEqual(socket.ends, [[4_401, "VIG_TOKEN_MISSING"]]);
});

test("no stream begins before events are followed, and none waits for that for ever", async () => {
  const hub = new Hub();
  const { socket } = open({ hub });
  socket.emit("message", JSON.stringify({ type: "auth", token: await issued() }), false);
  await until(() => vi.getTimerCount() === 2);
  await pass(2_999);
  assert.deepEqual([socket.sent, socket.ends], [[], []]);
  await pass(1);
  await until(() => socket.ends.length > 0);
  assert.deepEqual([socket.sent, socket.ends], [[], [[1_013, "VIG_BROKER_AWAY"]]]);
});

test("no stream begins before the policies in force are known", async () => {
  const { socket } = open({ policies: { ...memoryPolicyBook(), ready: false } });
  socket.emit("message", JSON.stringify({ type: "auth", token: await issued() }), false);
  await until(() => socket.ends.length > 0);
  assert.deepEqual(socket.ends, [[1_013, "VIG_SESSION_STATE_UNKNOWN"]]);
});

test("a client that does not answer a ping is cut off at the next", async () => {
  const { socket, hub } = await opened();
  socket.answersPings = false;
  await pass(1_000);
  await pass(29_999);
  assert.deepEqual(socket.ends, []);
  await pass(1);
  assert.deepEqual(socket.ends, ["terminated"]);
  assert.equal(hub.size, 0);
});

test("one that answers stays until its token expires", async () => {
  const { socket } = await opened();
  for (let ms = 0; ms < 899_000; ms += 1_000) await pass(1_000);
  assert.deepEqual(socket.ends, []);
  await pass(1_000);
  assert.deepEqual(socket.ends, [[4_401, "VIG_TOKEN_EXPIRED"]]);
});

test.each<[string, SessionAnswer | VigError, readonly [number, string]]>([
  ["has ended", { kind: "ended", status: "REVOKED" }, [4_401, "VIG_SESSION_ENDED"]],
  [
    "cannot be vouched for",
    new VigError("VIG_SESSION_STATE_UNKNOWN", { why: "test" }),
    [1_013, "VIG_SESSION_STATE_UNKNOWN"],
  ],
])("a session that %s is found by asking, after 1 s and every 30 s", async (_name, said, end) => {
  const ask = async () => {
    if (said instanceof VigError) throw said;
    return said;
  };
  for (const goodMs of [0, 1_000]) {
    const view = { ...memoryView() };
    const { socket } = await opened({ view });
    await pass(goodMs);
    view.resolve = ask;
    await pass(goodMs === 0 ? 999 : 29_999);
    assert.deepEqual(socket.ends, []);
    await pass(1);
    assert.deepEqual(socket.ends, [end]);
  }
});

test("an epoch that comes while the session is still being asked for lets nobody slip through", async () => {
  const asked = Promise.withResolvers<SessionAnswer>();
  const resolve = () => asked.promise;
  const { socket, hub } = open({ view: { ...memoryView(), resolve } });
  socket.emit("message", JSON.stringify({ type: "auth", token: await issued() }), false);
  await until(() => hub.size > 0);
  hub.publish({ kind: "epoch", value: epoch({ scope: "ROLE", value: "nobody" }) });
  assert.deepEqual(socket.ends, [[1_013, "VIG_SESSION_STATE_UNKNOWN"]]);
  asked.resolve(await memoryView().resolve(new SessionName("acme", "u-1", "s-1")));
  await pass(60_000);
  assert.deepEqual(socket.sent, []);
  assert.equal(hub.size, 0);
});

test("a client that left while it was asked for is not taken up", async () => {
  const { socket, hub } = open();
  socket.emit("message", JSON.stringify({ type: "auth", token: await issued() }), false);
  socket.emit("close");
  await pass(60_000);
  assert.deepEqual(socket.sent, []);
  assert.equal(hub.size, 0);
});

test("what waits for a slow reader is bounded: then it is cut off, and nothing is kept", async () => {
  const { socket, hub } = await opened();
  hub.publish({ kind: "session", value: state() });
  assert.equal(socket.sent.length, 2);
  socket.bufferedAmount = 1_001;
  hub.publish({ kind: "session", value: state() });
  hub.publish({ kind: "session", value: state() });
  assert.equal(socket.sent.length, 2);
  assert.deepEqual(socket.ends, ["terminated"]);
  assert.equal(hub.size, 0);
});

test("a real client that does not read is cut off", async () => {
  vi.useRealTimers();
  const edge = testEdge({ auth: issuerAuth });
  const port = await portOf(edge);
  const deaf = connectTcp(port, "127.0.0.1");
  const gone = once(deaf, "close");
  deaf.on("error", () => {});
  deaf.write(
    "GET /v1/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  await once(deaf, "data");
  deaf.write(frameOf(JSON.stringify({ type: "auth", token: await issued() })));
  deaf.pause();
  await eventually(() => expect(edge.hub.size).toBeGreaterThan(0));
  const full = async () => {
    for (let n = 0; n < 500; n += 1) edge.hub.publish({ kind: "session", value: state() });
    assert.equal(edge.hub.size, 0);
  };
  await eventually(full);
  const metrics = (await edge.app.inject("/metrics")).body;
  assert.match(metrics, /^vigie_stream_closed_total\{why="slow"\} 1$/m);
  deaf.resume();
  await gone;
  await edge.app.close();
});

/** A masked text frame under 64 KiB. Source: RFC 6455, 5.2; a mask of zeros changes nothing. */
function frameOf(text: string): Buffer {
  const payload = Buffer.from(text);
  const head = Buffer.from([
    0x81,
    0x80 | 126,
    payload.length >> 8,
    payload.length & 0xff,
    0,
    0,
    0,
    0,
  ]);
  return Buffer.concat([head, payload]);
}
