import { proveConsistency, proveInclusion, rootAt } from "@vigie/audit-log/proofs";
import { parseTilePath, TILE_WIDTH, tileWidth } from "@vigie/audit-log/tiles";
import { leafHash, TILE_HEIGHT } from "@vigie/audit-log/tree";
import { VigError } from "@vigie/core/errors";
import type { StoredLeaf } from "@vigie/service-kit/audit/export";
import { beforeAnswer, nothing } from "@vigie/service-kit/audit-trail/declared";
import { auditor, callerOf } from "@vigie/service-kit/http/access";
import { problemResponses, problems } from "@vigie/service-kit/http/problem-responses";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type Static, Type } from "typebox";
import type { EdgeContext } from "../context.ts";
import { consistencySchema, entryAnswer, inclusionSchema, wholeEntrySchema } from "./answers.ts";
import { only } from "./audit-log.ts";
import {
  checkpointQuery,
  consistencyQuery,
  countOf,
  entryParams,
  entryQuery,
  inclusionQuery,
} from "./queries.ts";
import { maySeeAll, reachOf } from "./reach.ts";
import { logOf, opened, putOnRecord } from "./reading.ts";

const ROOT = "/api/id/admin/audit";
const OF_ALL = { tenant: null };
const common = { tags: ["audit"], security: [{ bearer: [] }] };
const answers = { ...problemResponses, ...problems(404) };
const content = (type: string, description: string) => ({
  description,
  content: { [type]: { schema: Type.String() } },
});

/** Hashes and proofs tell nothing of what was hashed: they are the same for every tenant. */
export function proofRoutes(app: FastifyInstance, context: EdgeContext): void {
  const onRequest = [...auditor(context)];
  const config = { audit: nothing("hashes, which tell of nobody") };
  entryRoute(app, context);
  app.get<{ Querystring: Static<typeof checkpointQuery> }>(`${ROOT}/checkpoint`, {
    schema: {
      ...common,
      querystring: checkpointQuery,
      summary: "The newest checkpoint, a signed note",
      response: { 200: content("text/plain", "C2SP signed note"), ...answers },
    },
    config,
    onRequest,
    async handler({ query: { witnessed: isWitnessed = false } }, reply) {
      const { note } = await logOf(context).signedTree({ tenant: null, isWitnessed });
      return reply.type("text/plain; charset=utf-8").send(note);
    },
  });
  app.get<{ Querystring: Static<typeof inclusionQuery> }>(`${ROOT}/proofs/inclusion`, {
    schema: {
      ...common,
      summary: "Proves that a leaf is in a tree (RFC 6962, 2.1.1)",
      querystring: inclusionQuery,
      response: { 200: inclusionSchema, ...answers },
    },
    config,
    onRequest,
    handler: ({ query }) => inclusion(context, query),
  });
  app.get<{ Querystring: Static<typeof consistencyQuery> }>(`${ROOT}/proofs/consistency`, {
    schema: {
      ...common,
      summary: "Proves that a tree begins with an earlier one (RFC 6962, 2.1.2)",
      querystring: consistencyQuery,
      response: { 200: consistencySchema, ...answers },
    },
    config,
    onRequest,
    handler: ({ query }) => consistency(context, query),
  });
  app.get<{ Params: { readonly "*": string } }>(`${ROOT}/tile/*`, {
    schema: {
      ...common,
      summary: "A tile of hashes (C2SP tlog-tiles), e.g. tile/0/x001/234",
      response: { 200: content("application/octet-stream", "32 bytes a hash"), ...answers },
    },
    config,
    onRequest,
    handler: (request, reply) => tile(context, request.params["*"], reply),
  });
}

function entryRoute(app: FastifyInstance, context: EdgeContext): void {
  app.get<{ Params: Static<typeof entryParams>; Querystring: Static<typeof entryQuery> }>(
    `${ROOT}/entries/:index`,
    {
      schema: {
        ...common,
        summary: "One entry with its leaf and the proof that the log holds it",
        description: "Put on record before it is answered (audit.entry_read).",
        params: entryParams,
        querystring: entryQuery,
        response: { 200: wholeEntrySchema, ...answers },
      },
      config: { audit: beforeAnswer("audit.entry_read") },
      onRequest: [...auditor(context)],
      handler: (request) => entry(context, request),
    },
  );
}

async function entry(context: EdgeContext, request: FastifyRequest) {
  const log = logOf(context);
  const reach = reachOf(request, context);
  const index = countOf("index", (request.params as Static<typeof entryParams>).index);
  const tree = await log.signedTree(OF_ALL);
  // Of another tenant and not there yet look the same.
  const isThere = index < BigInt(tree.size);
  const stored: StoredLeaf | undefined = isThere
    ? (await log.leaves(only(reach, Number(index))))[0]
    : undefined;
  if (stored === undefined) throw isThere ? withheld(context, request, index) : noEntry();
  const payload = { index: stored.index };
  await putOnRecord(context, request, { action: "audit.entry_read", person: null, payload });
  const [read] = await opened(log, [stored]);
  const proof = await proveInclusion(index, BigInt(tree.size), log.nodes);
  return {
    entry: read && entryAnswer(read, log.canOpen),
    leaf: stored.leaf.toString(),
    leaf_hash: base64(leafHash(stored.leaf)),
    signature: base64(stored.signature),
    key_id: stored.keyId,
    opened: read?.opened.boxes ?? {},
    tree_size: tree.size,
    proof: proof.map(base64),
    checkpoint: tree.note,
  };
}

const noEntry = (): VigError => new VigError("VIG_NOT_FOUND", { what: "entry" });

/** Of a leaf that the tree has and the caller does not see: it is another tenant's, or of all tenants' it is gone. */
function withheld(context: EdgeContext, request: FastifyRequest, index: bigint): VigError {
  if (reachOf(request, context) === null) {
    return new VigError("VIG_AUDIT_LEAF_MISSING", { index: Number(index) });
  }
  const caller = callerOf(request);
  const error = noEntry();
  if (!maySeeAll(caller)) {
    context.audit.denied({ caller, request, payload: { fault: error.code } });
  }
  return error;
}

async function inclusion(context: EdgeContext, query: Static<typeof inclusionQuery>) {
  const { nodes } = logOf(context);
  const index = countOf("index", query.index);
  const size = await sizeOf(context, "size", query.size);
  const [proof, root, [leaf]] = [
    await proveInclusion(index, size, nodes),
    await rootAt(size, nodes),
    await nodes([{ level: 0, index }]),
  ];
  return {
    index: Number(index),
    size: Number(size),
    root: base64(root),
    leaf_hash: leaf && base64(leaf),
    proof: proof.map(base64),
  };
}

async function consistency(context: EdgeContext, query: Static<typeof consistencyQuery>) {
  const { nodes } = logOf(context);
  const first = countOf("first", query.first);
  const second = await sizeOf(context, "second", query.second);
  const proof = await proveConsistency(first, second, nodes);
  return {
    first: Number(first),
    second: Number(second),
    first_root: base64(await rootAt(first, nodes)),
    second_root: base64(await rootAt(second, nodes)),
    proof: proof.map(base64),
  };
}

/** Of a tree that was signed, or begins one: nothing is proven of what nobody has vouched for. */
async function sizeOf(
  context: EdgeContext,
  path: string,
  given: string | undefined,
): Promise<bigint> {
  const newest = BigInt((await logOf(context).signedTree(OF_ALL)).size);
  const size = given === undefined ? newest : countOf(path, given);
  if (size <= newest) return size;
  const why = `no tree of ${size} leaves is signed yet; the newest has ${newest}`;
  throw new VigError("VIG_AUDIT_PROOF_RANGE", { why });
}

/** A tile may be asked for as narrow as it once was; entries are not given out here, they are of all tenants. */
async function tile(context: EdgeContext, path: string, reply: FastifyReply) {
  const log = logOf(context);
  const wanted = parseTilePath(`tile/${path}`);
  if (wanted === null || wanted.kind === "entries") throw noTile();
  const { level, index, width } = wanted;
  const { size } = await log.signedTree(OF_ALL);
  if (width > tileWidth(level, index, BigInt(size))) throw noTile();
  const first = index * BigInt(TILE_WIDTH);
  const hashes = await log.nodes(
    Array.from({ length: width }, (_, i) => ({
      level: level * TILE_HEIGHT,
      index: first + BigInt(i),
    })),
  );
  return reply.type("application/octet-stream").send(Buffer.concat(hashes));
}

const noTile = (): VigError => new VigError("VIG_NOT_FOUND", { what: "tile" });
const base64 = (hash: Buffer): string => hash.toString("base64");
