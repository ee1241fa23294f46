import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { messageOf } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { REQUEST_BYTES_MAX } from "./request.ts";
import type { Answer, Witness } from "./witness.ts";

export interface WitnessServerOptions {
  readonly witness: Witness;
  readonly log: Logger;
  /** 0 takes a free one. */
  readonly port: number;
  readonly host: string;
  readonly onAnswer?: (status: number) => void;
}

export interface WitnessServer {
  readonly port: number;
  /** Answers what is under way. */
  close(): Promise<void>;
}

/** A request that is not complete by then is given up. */
const REQUEST_TIMEOUT_MS = 10_000;
/** A witness is spoken to by a few logs. */
const CONNECTIONS_MAX = 256;

/** Serves POST /add-checkpoint and GET /ORIGIN-HASH/checkpoint. Source: C2SP tlog-witness, HTTP interface. */
export async function startWitnessServer(options: WitnessServerOptions): Promise<WitnessServer> {
  const { witness, log, onAnswer = () => undefined } = options;
  const server = createServer((request, response) => {
    const failed = (error: unknown): Answer => {
      // Who went away before the end of the request is no fault of ours.
      if (request.complete) log.fatal({ why: messageOf(error) }, "witness_failed");
      return { status: 500, body: "the witness cannot answer\n" };
    };
    void answerOf(witness, request)
      .catch(failed)
      .then((answer) => {
        onAnswer(answer.status);
        send(request, response, answer);
      });
  });
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = REQUEST_TIMEOUT_MS;
  server.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}

async function answerOf(witness: Witness, request: IncomingMessage): Promise<Answer> {
  const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
  const [, hash] = /^\/([0-9a-f]{64})\/checkpoint$/.exec(path) ?? [];
  if (path === "/add-checkpoint") {
    if (request.method !== "POST") return { status: 405, body: "POST only\n" };
    const body = await bodyOf(request);
    return body === null ? { status: 413, body: "too long\n" } : witness.addCheckpoint(body);
  }
  if (hash === undefined) return { status: 404, body: "there is no such path\n" };
  return request.method === "GET" ? witness.checkpoint(hash) : { status: 405, body: "GET only\n" };
}

/** Null for a body above the limit, of which no more is kept. */
async function bodyOf(request: IncomingMessage): Promise<Buffer | null> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > REQUEST_BYTES_MAX) return null;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  const { status, body, type = "text/plain; charset=utf-8" } = answer;
  const headers = { "content-type": type, "content-length": Buffer.byteLength(body) };
  // What was not read of a request would be taken for the next one.
  const last = request.complete ? {} : { connection: "close" };
  response.writeHead(status, { ...headers, ...last }).end(body);
}
