import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterEach, test } from "vitest";

const LOAD = fileURLToPath(new URL("./load.ts", import.meta.url));
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A server that notes when it was asked. */
async function asked(answer: (times: number) => string = () => "sound") {
  const atMs: number[] = [];
  const server = createServer((_request, response) => {
    atMs.push(performance.now());
    response.end(answer(atMs.length));
  });
  servers.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  return { server, atMs, url: `http://127.0.0.1:${port}` };
}

const targetOf = ({ url }: { readonly url: string }, perSecond: number | null = null) => ({
  url,
  requests: ["GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"],
  accepts: "HTTP/1.1 200",
  holds: "sound",
  connections: 2,
  perSecond,
});

async function load(order: object): Promise<{ code: number; text: string; faults: string }> {
  const child = spawn(process.execPath, [LOAD], { stdio: "pipe" });
  let [text, faults] = ["", ""];
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  child.stderr.on("data", (chunk) => {
    faults += chunk;
  });
  child.stdin.end(JSON.stringify(order));
  const [code] = (await once(child, "close")) as [number];
  return { code, text, faults };
}

test("servers are asked in turn, each without the other, and each right after its lead-in first", async () => {
  const [one, other] = [await asked(), await asked()];
  const { text } = await load({
    targets: [targetOf(one), targetOf(other)],
    seconds: 0.4,
    sliceSeconds: 0.2,
  });
  const turns = [
    ...one.atMs.map((ms) => ({ ms, who: "one" })),
    ...other.atMs.map((ms) => ({ ms, who: "other" })),
  ]
    .sort((a, b) => a.ms - b.ms)
    .map(({ who }) => who)
    .filter((who, at, all) => who !== all[at - 1]);
  assert.deepEqual(turns, ["one", "other", "one", "other"]);
  const figures = JSON.parse(text) as Record<string, number>[];
  for (const [at, { atMs }] of [one, other].entries()) {
    assert.equal(figures[at]?.answered, atMs.length);
    assert.ok((figures[at]?.accepted ?? 0) < atMs.length, "the lead-in is not counted");
    assert.equal(figures[at]?.refused, 0);
  }
});

test("an answer that is not what it must be is told of, and none of the rate", async () => {
  const server = await asked((times) => (times === 1 ? "broken" : "sound"));
  const { text } = await load({ targets: [targetOf(server)], seconds: 0.2, sliceSeconds: 0.2 });
  const [figures] = JSON.parse(text) as { refused: number; firstRefusal: string }[];
  assert.equal(figures?.refused, 1);
  assert.match(figures?.firstRefusal ?? "", /broken$/);
});

test("a pace is kept", async () => {
  const server = await asked();
  const { text } = await load({ targets: [targetOf(server, 100)], seconds: 1, sliceSeconds: 1 });
  const [figures] = JSON.parse(text) as { accepted: number }[];
  const { accepted = 0 } = figures ?? {};
  // As fast as they can the two connections get thousands of answers; a busy machine may miss some turns.
  assert.ok(accepted > 20 && accepted <= 104, `${accepted} of 100`);
});

test("a connection that a server closes while another one is asked ends the run", async () => {
  const one = await asked();
  const other = await asked(() => {
    one.server.closeAllConnections();
    return "sound";
  });
  const targets = [targetOf(one), targetOf(other)];
  const { code, faults } = await load({ targets, seconds: 0.4, sliceSeconds: 0.2 });
  assert.notEqual(code, 0);
  assert.match(faults, /the server closed a connection/);
});
