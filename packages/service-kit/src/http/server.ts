import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import cors from "@fastify/cors";
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import { VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import fastify, { type FastifyError, type FastifyInstance, type FastifyRequest } from "fastify";
import { type HealthReport, healthAnswer, healthPaths } from "../health.ts";
import type { Metrics } from "../metrics.ts";
import { originMatcher } from "./origins.ts";
import {
  framesOf,
  otherTypeNeeded,
  PROBLEM_TYPE,
  problemOf,
  publicError,
  sendProblem,
} from "./problem.ts";
import type { RequestLog } from "./request-log.ts";
import { RequestMeter } from "./request-meter.ts";
import { securityHeaders } from "./security-headers.ts";
import { serializerOf } from "./serializers.ts";
import { handleTogether } from "./together.ts";
import { refuseHalfCharacters } from "./well-formed.ts";

export interface HttpOptions {
  readonly title: string;
  readonly description: string;
  readonly version: string;
  readonly log: Logger;
  readonly requestLog: RequestLog;
  readonly metrics: Metrics;
  health(): HealthReport;
  /** Exact origins and one-level wildcards. */
  readonly allowedOrigins: readonly string[];
  /** CIDRs whose X-Forwarded-For counts. */
  readonly trustedProxies: readonly string[];
  readonly bodyMaxBytes: number;
  /** The one path that may become another protocol; elsewhere Upgrade is ignored (RFC 9110, 7.8). */
  readonly upgradePath?: string;
}

/** A request that is not complete by then is given up (a slow sender must not hold a connection). */
const REQUEST_TIMEOUT_MS = 30_000;
/** Source: longer than the 60 s after which common load balancers drop an idle connection. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
/** Source: ids are at most 128 characters; percent-encoded UTF-8 takes up to 12 for one. */
const PARAM_LENGTH_MAX = 1_536;

declare module "fastify" {
  interface FastifyReply {
    /** The code of the problem that is answered, for the log line. */
    problemCode: string | null;
  }
  interface FastifyContextConfig {
    /** False: answers of this route say nothing of origins, so no page in a browser can read them. */
    cors?: false;
  }
}

/**
 * A Fastify instance with what every HTTP service has: problem documents for every error, request ids, security
 * headers, CORS, metrics, one log line a request, health, OpenAPI. Routes go into plugins registered after.
 */
export function createHttp(options: HttpOptions): FastifyInstance {
  const app = fastify({
    logger: false,
    genReqId: requestIds(),
    bodyLimit: options.bodyMaxBytes,
    http: { shouldUpgradeCallback: ({ url }) => pathOf(url) === options.upgradePath },
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    // While draining, a request that still comes is answered; its connection closes after.
    return503OnClosing: false,
    trustProxy: options.trustedProxies.length > 0 ? [...options.trustedProxies] : false,
    routerOptions: { maxParamLength: PARAM_LENGTH_MAX },
    frameworkErrors: (error, request, reply) => {
      reply.headers(securityHeaders);
      sendProblem(reply, ...problemArguments(publicError(error, request)));
    },
    clientErrorHandler: refuseConnection,
  });
  app.setSerializerCompiler(serializerOf);
  // JSON only: whatever else comes is answered 415.
  app.removeContentTypeParser("text/plain");
  takeJson(app);
  app.decorateRequest("caller", null);
  app.decorateReply("problemCode", null);
  closeIdleWhileDraining(app);
  observe(app, options);
  handleTogether(app);
  answerErrors(app, options.log);
  answerUnknownRoutes(app);
  describeApi(app, options);
  const allows = originMatcher(options.allowedOrigins);
  app.register(cors, {
    origin: (origin, done) => done(null, allows(origin)),
    methods: ["GET", "HEAD", "POST", "PUT", "DELETE"],
    allowedHeaders: ["authorization", "content-type", "idempotency-key", "if-match", "x-tenant-id"],
    exposedHeaders: ["x-request-id", "retry-after", "etag"],
    maxAge: 600,
  });
  app.register(async (scope) => serveOperations(scope, options));
  return app;
}

/** As Fastify reads it, and no text that nothing behind takes. */
function takeJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser("error", "error");
  app.addContentTypeParser<string>(
    "application/json",
    { parseAs: "string" },
    (request, text, done) => {
      void parse(request, text, (fault, value) => {
        if (fault !== null) return done(fault);
        try {
          refuseHalfCharacters(text, value);
        } catch (error) {
          return done(error as VigError);
        }
        done(null, value);
      });
    },
  );
}

/** Source: short against the drain limit of 10 s. */
const CLOSE_IDLE_EVERY_MS = 20;

/** A connection that was busy when closing began is kept alive by its client: it goes once its answer is out. */
function closeIdleWhileDraining(app: FastifyInstance): void {
  app.addHook("preClose", (done) => {
    const timer = setInterval(() => app.server.closeIdleConnections(), CLOSE_IDLE_EVERY_MS);
    app.server.once("close", () => clearInterval(timer));
    if (!app.server.listening) clearInterval(timer);
    done();
  });
}

const pathOf = (url = "/"): string => url.split("?", 1)[0] ?? "/";

const problemArguments = (error: VigError) => [error.code, error.details] as const;

/** A random start for each process, then counting: unique, short, cheap. A caller's id is kept if it is plain. */
function requestIds(): (request: { headers: NodeJS.Dict<string | string[]> }) => string {
  const start = randomBytes(6).toString("hex");
  let count = 0;
  return ({ headers }) => {
    const given = headers["x-request-id"];
    if (typeof given === "string" && /^[\w.-]{1,64}$/.test(given)) return given;
    count += 1;
    return `${start}-${count.toString(36)}`;
  };
}

/** Headers on the way in; metrics and the log line on the way out. */
function observe(app: FastifyInstance, { metrics, requestLog }: HttpOptions): void {
  const meter = new RequestMeter(metrics.registry);
  app.addHook("onRequest", (request, reply, done) => {
    reply.headers(securityHeaders);
    reply.header("x-request-id", request.id);
    const encoding = request.headers["content-encoding"];
    if (encoding === undefined || encoding === "identity") done();
    else sendProblem(reply, ...problemArguments(otherTypeNeeded(request)));
  });
  app.addHook("onResponse", (request, reply, done) => {
    const route = routeOf(request);
    const { caller, method } = request;
    const ms = reply.elapsedTime;
    meter.count(method, route, reply.statusCode, ms / 1_000);
    requestLog.write({
      requestId: request.id,
      method,
      route,
      status: reply.statusCode,
      ms,
      tenant: caller?.tenantId ?? null,
      client: caller?.clientId ?? null,
      code: reply.problemCode,
    });
    done();
  });
  app.addHook("onClose", () => requestLog.flush());
}

/** The pattern of the route; everything unknown is one label. */
function routeOf(request: FastifyRequest): string {
  return request.is404 ? "unknown" : (request.routeOptions.url ?? "unknown");
}

function answerErrors(app: FastifyInstance, log: Logger): void {
  app.setErrorHandler<FastifyError | VigError>((thrown, request, reply) => {
    const error = publicError(thrown, request);
    if (error.code === "VIG_INTERNAL") {
      log.error({ requestId: request.id, ...framesOf(thrown) }, "request_failed");
    }
    return sendProblem(reply, ...problemArguments(error));
  });
}

/** 404, or 405 with Allow when the path exists with another method. */
function answerUnknownRoutes(app: FastifyInstance): void {
  const known: { readonly pattern: RegExp; readonly methods: readonly string[] }[] = [];
  app.addHook("onRoute", ({ url, method }) => {
    if (url === "*") return;
    const escaped = url.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
    const pattern = new RegExp(`^${escaped.replace(/:[^/]+/g, "[^/]+").replace("*", ".*")}$`);
    known.push({ pattern, methods: Array.isArray(method) ? method : [method] });
  });
  app.setNotFoundHandler((request, reply) => {
    const { method } = request;
    const path = pathOf(request.url);
    const fitting = known.filter(({ pattern }) => pattern.test(path));
    const allowed = [...new Set(fitting.flatMap(({ methods }) => methods))].sort().join(", ");
    if (allowed === "") return sendProblem(reply, "VIG_ROUTE_UNKNOWN", { method, path });
    reply.header("allow", allowed);
    return sendProblem(reply, "VIG_METHOD_NOT_ALLOWED", { method, path, allowed });
  });
}

/** What cannot even be parsed as HTTP. Source: the answers of Node's own handler, as problem documents. */
function refuseConnection(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const why = clientFaults[error.code ?? ""] ?? "it is no HTTP/1.1";
  const body = JSON.stringify(problemOf(new VigError("VIG_REQUEST_INVALID", { why }), "none"));
  const head = [
    "HTTP/1.1 400 Bad Request",
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

const clientFaults: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "its headers are too long",
  ERR_HTTP_REQUEST_TIMEOUT: "it took too long to arrive",
};

/** OpenAPI 3.1 from the schemas of the routes: JSON at /docs/json, pages at /docs. */
function describeApi(app: FastifyInstance, { title, description, version }: HttpOptions): void {
  app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title, description, version },
      components: {
        securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
      },
    },
  });
  app.register(swaggerUi, { routePrefix: "/docs", staticCSP: true });
}

/** OBS-01, OBS-05, OBS-06: without a token (CNF-07); the gateway keeps /metrics inside. */
function serveOperations(app: FastifyInstance, { metrics, health }: HttpOptions): void {
  const open = { type: "object", additionalProperties: true } as const;
  for (const path of healthPaths) {
    const schema = { tags: ["operations"], response: { 200: open, 503: open } };
    app.get(path, { schema }, (_request, reply) => {
      const answer = healthAnswer(path, health);
      if (answer === null) throw new VigError("VIG_INVARIANT", { what: "a health path answers" });
      return reply.code(answer.status === 200 ? 200 : 503).send(answer.body);
    });
  }
  const schema = { tags: ["operations"], response: { 200: { type: "string" } } };
  app.get("/metrics", { schema }, async (_request, reply) => {
    reply.type(metrics.registry.contentType);
    return metrics.registry.metrics();
  });
}
