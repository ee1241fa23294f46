import type { Logger } from "@vigie/core/log";
import type { Clock } from "@vigie/core/time";
import type { Codecs } from "@vigie/schemas/codec-core";
import type { HealthReport } from "@vigie/service-kit/health";
import type { AuthOptions } from "@vigie/service-kit/http/auth";
import type { RequestLog } from "@vigie/service-kit/http/request-log";
import { createHttp } from "@vigie/service-kit/http/server";
import type { Metrics } from "@vigie/service-kit/metrics";
import type { FastifyInstance } from "fastify";
import type { EventOutput } from "./output/event-output.ts";
import { postEventRoutes } from "./routes/post-event/route.ts";
import { postEventsRoute } from "./routes/post-events/route.ts";
import { type AdmitLimits, createAdmit } from "./steps/admit-event.ts";

export interface EdgeOptions {
  readonly output: EventOutput;
  readonly codecs: Codecs;
  readonly auth: AuthOptions;
  readonly limits: AdmitLimits;
  readonly bodyMaxBytes: number;
  readonly batchBodyMaxBytes: number;
  readonly allowedOrigins: readonly string[];
  readonly trustedProxies: readonly string[];
  readonly log: Logger;
  readonly requestLog: RequestLog;
  readonly metrics: Metrics;
  readonly clock: Clock;
  health(): HealthReport;
  /** False while the schemas of events are not known yet: then ingest answers 503. */
  isReady(): boolean;
}

/** The edge without a port: routes in, events out. */
export function buildApp(options: EdgeOptions): FastifyInstance {
  const { output, codecs, auth, limits, clock, batchBodyMaxBytes, isReady } = options;
  const app = createHttp({
    title: "Vigie edge",
    description: "Takes in what happens to sessions. Errors are RFC 9457 problem documents.",
    version: "1",
    log: options.log,
    requestLog: options.requestLog,
    metrics: options.metrics,
    health: options.health,
    allowedOrigins: options.allowedOrigins,
    trustedProxies: options.trustedProxies,
    bodyMaxBytes: options.bodyMaxBytes,
  });
  const admit = createAdmit(codecs, limits);
  const ingest = { output, admit, auth, clock, batchBodyMaxBytes, isReady };
  app.register(async (scope) => {
    postEventRoutes(scope, ingest);
    postEventsRoute(scope, ingest);
  });
  return app;
}
