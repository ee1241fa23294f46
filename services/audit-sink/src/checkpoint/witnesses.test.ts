import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { cosign, openCheckpoint } from "@vigie/audit-log/checkpoint";
import { createSigner, formatVerifierKey, type NoteSigner } from "@vigie/audit-log/note";
import { verifyConsistency } from "@vigie/audit-log/proofs";
import { afterEach, expect, test } from "vitest";
import type { Cosignature, Cosignatures } from "./database-place.ts";
import { signCheckpoint } from "./keys.ts";
import { keyNamed, logKeys, MemoryTree } from "./testing.ts";
import { createWitnessClient, parseWitness } from "./witnesses.ts";

const keys = logKeys();
const signer: NoteSigner = createSigner({
  name: "witness.example",
  privateKey: keyNamed("witness.example").privateKey,
  type: "cosignature",
});
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** A server with one path. Returns: its URL and what was asked. */
async function serve(answer: (body: string) => Answer | null) {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    asked.push(`${request.method} ${request.url}`);
    const given = answer(body);
    if (given !== null) response.writeHead(given.status).end(given.body);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/log/`, asked };
}

/** A witness as C2SP tlog-witness has it: cosigns what it is shown to extend what it has seen. */
function honest() {
  let seen: { readonly size: bigint; readonly root: Buffer } = { size: 0n, root: Buffer.alloc(0) };
  return (body: string): Answer => {
    const cut = body.indexOf("\n\n");
    const [old = "", ...lines] = body.slice(0, cut).split("\n");
    const { size, root, text } = openCheckpoint(body.slice(cut + 2), {
      origin: keys.origin,
      keys: keys.trusted,
    });
    if (old !== `old ${seen.size}`) return { status: 409, body: `${seen.size}\n` };
    const proof = lines.map((line) => Buffer.from(line, "base64"));
    const known = { first: seen.size, firstRoot: seen.root };
    const claim = { ...known, second: size, secondRoot: root, proof };
    if (seen.size > 0n && !verifyConsistency(claim)) return { status: 422, body: "" };
    seen = { size, root };
    return { status: 200, body: cosign(text, signer, 1_767_607_200n) };
  };
}

class MemoryCosignatures implements Cosignatures {
  readonly added: (Cosignature & { readonly size: bigint })[] = [];
  async newestOf() {
    return this.added.at(-1)?.size ?? null;
  }
  async add({ size }: { readonly size: bigint }, cosignature: Cosignature) {
    this.added.push({ size, ...cosignature });
  }
  async newestNote() {
    return null;
  }
  async linesOf() {
    return [];
  }
}

const tree = () => new MemoryTree().grow(20);
const at = async (whole: MemoryTree, size: number) =>
  signCheckpoint(keys, await whole.copy(size).head());
const clientOf = (url: string, nodes = tree().nodes, cosignatures = new MemoryCosignatures()) =>
  createWitnessClient({
    witness: parseWitness(`${formatVerifierKey(signer.key)} ${url}`),
    nodes,
    cosignatures,
    timeoutMs: 300,
  });

test("a witness is shown that each checkpoint extends the last that it cosigned", async () => {
  const { url, asked } = await serve(honest());
  const cosignatures = new MemoryCosignatures();
  const whole = tree();
  const ask = clientOf(url, whole.nodes, cosignatures);
  for (const size of [0, 1, 7, 7, 16, 20]) await ask(await at(whole, size));
  expect(asked).toEqual(Array(6).fill("POST /log/add-checkpoint"));
  expect(cosignatures.added.map(({ size }) => Number(size))).toEqual([0, 1, 7, 7, 16, 20]);
  expect(cosignatures.added[1]).toMatchObject({
    name: "witness.example",
    keyId: signer.key.id,
    signedAtMs: 1_767_607_200_000,
  });
});

test("after a restart it goes on where the database says, or where the witness says", async () => {
  const { url, asked } = await serve(honest());
  const whole = tree();
  const kept = new MemoryCosignatures();
  await clientOf(url, whole.nodes, kept)(await at(whole, 5));
  await clientOf(url, whole.nodes, kept)(await at(whole, 8));
  expect(asked).toHaveLength(2);
  await clientOf(url, whole.nodes)(await at(whole, 12));
  expect(asked).toHaveLength(4);
});

test("a witness that knows a larger tree says so: the log was restored", async () => {
  const { url } = await serve(honest());
  const whole = tree();
  await clientOf(url, whole.nodes)(await at(whole, 15));
  const asking = clientOf(url, whole.nodes)(await at(whole, 10));
  await expect(asking).rejects.toThrow("VIG_AUDIT_WITNESS_REFUSED");
  await expect(asking).rejects.toThrow("15");
});

test("another tree is not cosigned", async () => {
  const { url } = await serve(honest());
  await clientOf(url)(await at(tree(), 10));
  const forked = tree().copy(9).grow(5, "other");
  const asking = clientOf(url, forked.nodes)(await at(forked, 14));
  await expect(asking).rejects.toThrow("VIG_AUDIT_WITNESS_REFUSED");
});

test.each([
  ["an error", { status: 403, body: "unknown" }],
  ["a conflict without a size", { status: 409, body: "no" }],
  ["the same conflict again and again", { status: 409, body: "3\n" }],
  ["nothing", { status: 200, body: "" }],
  [
    "another's line",
    { status: 200, body: `— other.example ${Buffer.alloc(76).toString("base64")}\n` },
  ],
])("an answer of %s is none", async (_, answer) => {
  const { url } = await serve(() => answer);
  const cosignatures = new MemoryCosignatures();
  const whole = tree();
  const asking = clientOf(url, whole.nodes, cosignatures)(await at(whole, 10));
  await expect(asking).rejects.toThrow("VIG_AUDIT_WITNESS_REFUSED");
  expect(cosignatures.added).toEqual([]);
});

test("a witness that is silent, away or says too much is given up", async () => {
  const whole = tree();
  const silent = await serve(() => null);
  const loud = await serve(() => ({ status: 200, body: "x".repeat(200_000) }));
  for (const url of [silent.url, loud.url, "http://127.0.0.1:9/"]) {
    const asking = clientOf(url, whole.nodes)(await at(whole, 10));
    await expect(asking).rejects.toThrow("VIG_OUTBOUND_AWAY");
  }
});

test("a key that cosigns nothing is none of a witness", () => {
  const plain = formatVerifierKey(keyNamed("witness.example").key);
  expect(() => parseWitness(`${plain} https://w.example`)).toThrow("no key of a witness");
  expect(() => parseWitness("nonsense")).toThrow("VIG_AUDIT_NOTE_INVALID");
});
