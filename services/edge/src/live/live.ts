import websocket from "@fastify/websocket";
import { VigError } from "@vigie/core/errors";
import { aboutOthers } from "@vigie/service-kit/audit-trail/declared";
import { originMatcher } from "@vigie/service-kit/http/origins";
import { sendProblem } from "@vigie/service-kit/http/problem";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import type { Metrics } from "@vigie/service-kit/metrics";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { EdgeContext } from "../context.ts";
import { readingOf } from "../inventory/reading.ts";
import { Connection, closeFor } from "./connection.ts";
import { Doors } from "./doors.ts";
import { type TextOf, textsOf } from "./texts.ts";

export const STREAM_PATH = "/v1/stream";

/** A token of 8 KiB and the other members. */
const MESSAGE_MAX_BYTES = 16_384;
/** A client that does not answer the closing is not waited for: short against the drain limit. */
const CLOSE_TIMEOUT_MS = 1_000;
/** @types/ws does not know all of them. */
const socketOptions = { maxPayload: MESSAGE_MAX_BYTES, closeTimeout: CLOSE_TIMEOUT_MS };
/** Source: RFC 6455, 7.4.1: going away. */
const GOING_AWAY = 1_001;

/** What connections share. */
export interface Live extends EdgeContext {
  readonly doors: Doors;
  readonly told: LiveMetrics;
  readonly textOf: TextOf;
}

/** GET /v1/stream: sessions, anomalies and revocations as they happen. */
export function live(scope: FastifyInstance, context: EdgeContext): void {
  const doors = new Doors(context.liveLimits);
  const told = liveMetrics(context.metrics);
  const shared: Live = { ...context, doors, told, textOf: textsOf(readingOf(context)) };
  const refused = refusalOf(shared);
  const { log } = context;
  scope.register(websocket, {
    options: socketOptions,
    // A client that breaks the protocol, or the connection; the socket closes by itself.
    errorHandler: (error, socket) => {
      log.debug({ why: error.message }, "stream_broken");
      socket.terminate();
    },
    preClose(done) {
      const { websocketServer } = scope;
      for (const client of websocketServer.clients) client.close(GOING_AWAY);
      websocketServer.close();
      done();
    },
  });
  scope.register(async (inner) => {
    inner.route({
      method: "GET",
      url: STREAM_PATH,
      schema: {
        tags: ["live"],
        summary: "Sessions, anomalies and revocations as they happen (WebSocket)",
        description:
          "The handshake needs no token. The first message says who calls and what is wanted: " +
          '`{"type": "auth", "token": "…", "of": "me" | "tenant", "user": "…", "kinds": ["session", ' +
          '"anomaly", "revocation", "epoch"]}`; all but type and token may be left out. `of: tenant` and ' +
          "`user` are for administrators of the ID domain. The answer is `hello`, then events with the fields " +
          "of the routes that read. Nothing is told again: after a reconnect, read the lists.",
        response: {
          101: { type: "null", description: "switching protocols" },
          ...problemResponses,
        },
      },
      config: { audit: aboutOthers("stream.opened") },
      handler: (_request, reply) =>
        sendProblem(reply, "VIG_REQUEST_INVALID", { why: "it is no WebSocket handshake" }),
      wsHandler: (socket, request) => {
        const refusal = refused(request);
        if (refusal === null) new Connection(socket, request, shared);
        else closeFor(socket, refusal);
      },
    });
  });
}

/**
 * Why a connection is not taken, or null. A browser says from where it calls; whoever is none need not. Told by a
 * closing: what HTTP answers to a handshake, a browser hides from its page.
 */
function refusalOf({ allowedOrigins, doors }: Live): (request: FastifyRequest) => VigError | null {
  const allows = originMatcher(allowedOrigins);
  return ({ headers: { origin } }) => {
    if (origin !== undefined && !allows(origin)) return new VigError("VIG_ORIGIN_REFUSED");
    return doors.isFull ? new VigError("VIG_STREAMS_FULL") : null;
  };
}

type LiveMetrics = ReturnType<typeof liveMetrics>;

function liveMetrics(metrics: Metrics) {
  return {
    connections: metrics.gauge("vigie_stream_connections", "Open WebSocket connections"),
    events: metrics.counter("vigie_stream_events_total", "Events told to clients", ["kind"]),
    closed: metrics.counter("vigie_stream_closed_total", "Connections that ended, by why", ["why"]),
  };
}
