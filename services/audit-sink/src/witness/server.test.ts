import { once } from "node:events";
import { connect } from "node:net";
import { verifyCosignature } from "@vigie/audit-log/checkpoint";
import { silentLogger } from "@vigie/core/log";
import { afterEach, expect, test } from "vitest";
import type { Cosignature, Cosignatures } from "../checkpoint/database-place.ts";
import { createWitnessClient } from "../checkpoint/witnesses.ts";
import { originHash } from "./records.ts";
import { REQUEST_BYTES_MAX } from "./request.ts";
import { startWitnessServer, type WitnessServer } from "./server.ts";
import { TestLog, testWitness } from "./testing.ts";

const servers: WitnessServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

async function serve(log: TestLog, witness = testWitness(log)) {
  const failures: object[] = [];
  const server = await startWitnessServer({
    witness,
    log: { ...silentLogger, fatal: (fields) => failures.push(fields) },
    port: 0,
    host: "127.0.0.1",
  });
  servers.push(server);
  const url = `http://127.0.0.1:${server.port}`;
  const post = (body: Uint8Array) =>
    fetch(`${url}/add-checkpoint`, { method: "POST", body: new Uint8Array(body) });
  return { url, post, witness, failures, port: server.port };
}

class MemoryCosignatures implements Cosignatures {
  readonly added: (Cosignature & { readonly size: bigint })[] = [];
  newestOf = async () => this.added.at(-1)?.size ?? null;
  newestNote = async () => null;
  linesOf = async () => [];
  async add({ size }: { readonly size: bigint }, cosignature: Cosignature) {
    this.added.push({ size, ...cosignature });
  }
}

test("the signer's own client gets cosignatures, and finds its place again when it has forgotten it", async () => {
  const log = new TestLog(300);
  const { url, witness } = await serve(log);
  const clientOf = (cosignatures: Cosignatures) =>
    createWitnessClient({
      witness: { key: witness.signer.key, url },
      nodes: log.tree.nodes,
      cosignatures,
    });
  const cosignatures = new MemoryCosignatures();
  const ask = clientOf(cosignatures);
  for (const size of [1, 7, 7, 256]) await ask(await log.checkpoint(size));
  // One that remembers nothing is told where it stands.
  const line = await clientOf(new MemoryCosignatures())(await log.checkpoint(300));
  const { text } = await log.checkpoint(300);
  expect(verifyCosignature(text, line, witness.signer.key)?.line).toBe(line);
  expect(cosignatures.added.map(({ size }) => size)).toEqual([1n, 7n, 7n, 256n]);
  // And a tree that is smaller, as of a database that was restored, is not cosigned.
  const restored = clientOf(cosignatures)(await log.checkpoint(200));
  await expect(restored).rejects.toThrow("VIG_AUDIT_WITNESS_REFUSED");
});

test("the size that a log should start from has a type of its own", async () => {
  const log = new TestLog(9);
  const { post } = await serve(log);
  expect((await post(await log.body(0, 5))).status).toBe(200);
  const answer = await post(await log.body(3, 9));
  expect(answer.status).toBe(409);
  expect(answer.headers.get("content-type")).toBe("text/x.tlog.size");
  expect(await answer.text()).toBe("5\n");
});

test("monitors read what was cosigned last", async () => {
  const log = new TestLog(9);
  const { url, post } = await serve(log);
  const path = `${url}/${originHash(log.keys.origin)}/checkpoint`;
  expect((await fetch(path)).status).toBe(404);
  const cosigned = await (await post(await log.body(0, 9))).text();
  const note = await (await fetch(path)).text();
  expect(note).toBe(`${(await log.checkpoint(9)).note}${cosigned}`);
});

test.each([
  ["GET", "/add-checkpoint", 405],
  ["POST", `/${"0".repeat(64)}/checkpoint`, 405],
  ["GET", `/${"0".repeat(64)}/checkpoint`, 404],
  ["GET", "/", 404],
  ["POST", "/add-checkpoint/", 404],
  ["POST", "/add-checkpoint", 400],
])("%s %s: %i", async (method, path, status) => {
  const { url } = await serve(new TestLog(1));
  expect((await fetch(url + path, { method })).status).toBe(status);
});

test("a body above the limit is answered 413 before its end, and the next request is served", async () => {
  const log = new TestLog(5);
  const { port, post } = await serve(log);
  const socket = connect(port, "127.0.0.1");
  socket.write("POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 100000000\r\n\r\n");
  socket.write(Buffer.alloc(REQUEST_BYTES_MAX + 1));
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1.1 413 .*connection: close/s);
  socket.destroy();
  expect((await post(await log.body(0, 5))).status).toBe(200);
});

test("a body of the limit is read, and is no checkpoint", async () => {
  const { post } = await serve(new TestLog(5));
  expect((await post(new Uint8Array(REQUEST_BYTES_MAX))).status).toBe(400);
});

test("a log that goes away before the end of its request is no failure of the witness", async () => {
  const log = new TestLog(5);
  const { port, post, failures } = await serve(log);
  const socket = connect(port, "127.0.0.1");
  socket.write("POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 100\r\n\r\nold 0");
  await once(socket, "ready");
  socket.resetAndDestroy();
  expect((await post(await log.body(0, 5))).status).toBe(200);
  expect(failures).toEqual([]);
});

test("a record that cannot be written is told of, and nothing is cosigned", async () => {
  const log = new TestLog(5);
  const healthy = testWitness(log);
  const records = { ...healthy.records, replace: () => Promise.reject(new Error("disk full")) };
  const { post, failures } = await serve(log, testWitness(log, { records }));
  const answer = await post(await log.body(0, 5));
  expect(answer.status).toBe(500);
  expect(await answer.text()).not.toContain("—");
  expect(failures).toEqual([{ why: "disk full" }]);
});
