import { holdToDeclared } from "@vigie/service-kit/audit-trail/declared";
import type { HealthReport } from "@vigie/service-kit/health";
import type { RequestLog } from "@vigie/service-kit/http/request-log";
import { createHttp } from "@vigie/service-kit/http/server";
import type { FastifyInstance } from "fastify";
import { auditApi } from "./audit-api/audit-api.ts";
import { auditReports } from "./audit-reports/audit-reports.ts";
import { commands } from "./commands/commands.ts";
import type { EdgeContext, Feature } from "./context.ts";
import { ingest } from "./ingest/ingest.ts";
import { introspection } from "./introspection/introspection.ts";
import { inventory } from "./inventory/inventory.ts";
import { labels } from "./labels/labels.ts";
import { live, STREAM_PATH } from "./live/live.ts";
import { policies } from "./policies/policies.ts";
import { erasure } from "./privacy/erasure/erasure.ts";
import { dataExport } from "./privacy/export/export.ts";
import { validation } from "./validation/validation.ts";

export interface EdgeOptions extends EdgeContext {
  readonly bodyMaxBytes: number;
  readonly trustedProxies: readonly string[];
  readonly requestLog: RequestLog;
  health(): HealthReport;
}

/** Each is registered in a scope of its own. */
const features: readonly Feature[] = [
  ingest,
  inventory,
  dataExport,
  erasure,
  policies,
  commands,
  labels,
  auditReports,
  introspection,
  validation,
  live,
  auditApi,
];

/** The edge without a port: routes in, events out. */
export function buildApp(options: EdgeOptions): FastifyInstance {
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
    upgradePath: STREAM_PATH,
  });
  app.register(async (scope) => {
    const audit = holdToDeclared(scope, options.audit, options.log);
    const context = { ...options, audit };
    for (const feature of features) scope.register(async (inner) => feature(inner, context));
  });
  return app;
}
