import assert from "node:assert/strict";
import type { lookup } from "node:dns";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, test } from "vitest";
import { type OutboundOptions, openOutbound } from "./outbound.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

type Answer = Parameters<typeof createServer>[1];

async function serve(answer: NonNullable<Answer>): Promise<string> {
  const server = createServer(answer as never);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
}

/** A resolver that knows these addresses for every name. */
const resolvesTo = (...addresses: string[]) =>
  ((_name: string, _options: object, callback: (error: null, found: object[]) => void) =>
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    )) as unknown as typeof lookup;

async function ask(url: string, options: Partial<OutboundOptions> = {}): Promise<unknown> {
  const outbound = openOutbound({ allowPrivate: false, timeoutMs: 500, ...options });
  try {
    return await outbound.json(url);
  } finally {
    await outbound.close();
  }
}

const refused = { code: "VIG_OUTBOUND_REFUSED" };
const away = { code: "VIG_OUTBOUND_AWAY" };

describe("calls to the outside", () => {
  test.each([
    "http://id.molam.example/jwks",
    "https://127.0.0.1/jwks",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/jwks",
    "https://[::ffff:10.0.0.1]/jwks",
    "https://10.0.0.8/jwks",
    "ftp://id.molam.example/jwks",
  ])("%s is refused", async (url) => {
    await assert.rejects(ask(url), refused);
  });

  test.each([["127.0.0.1"], ["10.1.1.1"], ["fe80::1"], ["1.1.1.1", "192.168.0.1"]])(
    "a name that resolves to %s is refused",
    async (...addresses) => {
      const resolve = resolvesTo(...addresses);
      await assert.rejects(ask("https://id.molam.example/jwks", { resolve }), refused);
    },
  );

  test("a name that does not resolve is an outage", async () => {
    const resolve = resolvesTo();
    await assert.rejects(ask("https://id.molam.example/jwks", { resolve }), away);
  });

  test("a developer's own issuer may be on this machine", async () => {
    const url = await serve((_request, response) => response.end('{"keys":[]}'));
    assert.deepEqual(await ask(url, { allowPrivate: true }), { keys: [] });
  });

  test("a redirect is not followed", async () => {
    let calls = 0;
    const url = await serve((_request, response) => {
      calls += 1;
      response.writeHead(302, { location: "/elsewhere" }).end();
    });
    await assert.rejects(ask(url, { allowPrivate: true }), away);
    assert.equal(calls, 1);
  });

  test("who asks for the answer as it is gets a redirect too, by the same rules", async () => {
    const url = await serve((request, response) => {
      const { method = "", headers } = request;
      response.writeHead(302, { location: `/${method}/${headers["x-asked"]}` }).end();
    });
    const outbound = openOutbound({ allowPrivate: true });
    const answer = await outbound.send(url, { method: "HEAD", headers: { "x-asked": "one" } });
    assert.equal(answer.statusCode, 302);
    assert.equal(answer.headers.location, "/HEAD/one");
    await outbound.close();
    const strict = openOutbound({ allowPrivate: false });
    await assert.rejects(strict.send(url, { method: "GET" }), refused);
    await strict.close();
  });

  test("a body that does not end is ended by its signal", async () => {
    const url = await serve((_request, response) => response.write("x"));
    const outbound = openOutbound({ allowPrivate: true, timeoutMs: 60_000 });
    const ending = new AbortController();
    const { body } = await outbound.send(url, { method: "GET", signal: ending.signal });
    ending.abort();
    await assert.rejects(body.text());
    await outbound.close();
  });

  test.each([
    ["is no JSON", (_: unknown, response: { end(text: string): void }) => response.end("<html>")],
    [
      "is too long",
      (_: unknown, response: { end(text: string): void }) =>
        response.end(`"${"x".repeat(600_000)}"`),
    ],
    ["never comes", () => {}],
  ])("an answer that %s is an outage", async (_name, answer) => {
    const url = await serve(answer as never);
    await assert.rejects(ask(url, { allowPrivate: true }), away);
  });
});
