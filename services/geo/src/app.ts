import { holdToDeclared } from "@vigie/service-kit/audit-trail/declared";
import type { HealthReport } from "@vigie/service-kit/health";
import type { RequestLog } from "@vigie/service-kit/http/request-log";
import { createHttp } from "@vigie/service-kit/http/server";
import type { FastifyInstance } from "fastify";
import { attribution } from "./attribution/attribution.ts";
import type { Feature, GeoContext } from "./context.ts";
import { countryAdministration } from "./countries/admin-routes.ts";
import { countries } from "./countries/public-routes.ts";
import { detection } from "./detect/detect-route.ts";
import { erasure } from "./erasure/erasure.ts";
import { geoContext } from "./geo-context/routes.ts";
import { geoEvents } from "./geo-events/routes.ts";
import { gpsPositions } from "./gps/routes.ts";
import { prefs } from "./prefs/routes.ts";
import { ussdServiceCodes } from "./ussd/links/code-routes.ts";
import { ussdLinks } from "./ussd/links/routes.ts";
import { ussdPins } from "./ussd/pins/routes.ts";
import { ussdWebhook } from "./ussd/webhook/webhook.ts";

export interface GeoOptions extends GeoContext {
  readonly bodyMaxBytes: number;
  readonly allowedOrigins: readonly string[];
  readonly trustedProxies: readonly string[];
  readonly requestLog: RequestLog;
  health(): HealthReport;
}

/** Each is registered in a scope of its own. */
const features: readonly Feature[] = [
  attribution,
  countries,
  countryAdministration,
  detection,
  erasure,
  prefs,
  geoContext,
  geoEvents,
  gpsPositions,
  ussdWebhook,
  ussdPins,
  ussdLinks,
  ussdServiceCodes,
];

/** Names nobody who made data: its files may be replaced by another maker's while this runs. */
const ABOUT = [
  "Countries, places and what people consent to. Errors are RFC 9457 problem documents.",
  "Whom to name where places are shown is told by `GET /v1/geo/attribution`, for the data in use.",
].join("\n\n");

/** The geo service without a port: calls in, events out. */
export function buildApp(options: GeoOptions): FastifyInstance {
  const app = createHttp({
    title: "Vigie geo",
    description: ABOUT,
    version: "1",
    log: options.log,
    requestLog: options.requestLog,
    metrics: options.metrics,
    health: options.health,
    allowedOrigins: options.allowedOrigins,
    trustedProxies: options.trustedProxies,
    bodyMaxBytes: options.bodyMaxBytes,
  });
  app.register(async (scope) => {
    const audit = holdToDeclared(scope, options.audit, options.log);
    const context = { ...options, audit };
    for (const feature of features) scope.register(async (inner) => feature(inner, context));
  });
  return app;
}
