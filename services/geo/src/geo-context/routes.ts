import { randomUUID } from "node:crypto";
import { VigError } from "@vigie/core/errors";
import type { GeoEvent } from "@vigie/schemas/types";
import { nothing, ownData } from "@vigie/service-kit/audit-trail/declared";
import { callerOf, person, personAlone, schemasKnown } from "@vigie/service-kit/http/access";
import { addressOf } from "@vigie/service-kit/http/address";
import { sendProblem } from "@vigie/service-kit/http/problem";
import type { Rate } from "@vigie/service-kit/http/rate-limit";
import { strictBody } from "@vigie/service-kit/http/strict-body";
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from "fastify";
import type { GeoContext as Service } from "#context";
import { fraudMeter } from "#geo-events/fraud-meter";
import { keyOf } from "#person";
import { personOf, servedBy } from "#prefs/routes";
import { type AddressSeen, capture, geoRecord, type Sighting, type SimSeen } from "./capture.ts";
import type { GeoContext } from "./geo-context.ts";
import { locate, openPlaces } from "./places.ts";
import { type CaptureBody, captureRoute, readContextRoute } from "./schemas.ts";

const URL = "/v1/geo/context";
const TOPIC = "id.geo";

/** GEO-20, GEO-21: where a person says, or their network shows, that they are. */
export function geoContext(scope: FastifyInstance, service: Service): void {
  scope.setValidatorCompiler(strictBody);
  openPlaces();
  const { book, output } = service;
  const encoder = service.codecs.encoder<GeoEvent>(TOPIC);
  const atlas = { locate, countryOf: servedBy(service), newId: randomUUID };
  const captures = service.metrics.counter(
    "gps_captures_total",
    "Captures of where somebody is, by what became of their position",
    ["outcome"],
  );
  const frauds = fraudMeter(service.metrics);
  const audit = nothing("a person's own place, on their own record");
  scope.post(
    URL,
    {
      schema: captureRoute,
      config: { audit },
      onRequest: [...personAlone(service), schemasKnown(service), captureLimit(service)],
    },
    async (request) => {
      const owner = personOf(request);
      const seen = sightingOf(request, service);
      const captured = await book.change(owner, (held) => capture(held, seen, atlas));
      captures.inc({ outcome: captured.gps });
      for (const { type } of captured.events) frauds.count(type);
      // Kept first: what the book refuses nobody learns of; what the broker refuses is captured again.
      const value = encoder.encode(geoRecord(captured, seen, originOf(request)));
      await output.publish({ topic: TOPIC, key: keyOf(owner), value });
      const { country, city, timezone, source } = captured.context;
      return { status: "ok", gps: captured.gps, context: { country, city, timezone, source } };
    },
  );
  scope.get(
    URL,
    { schema: readContextRoute, config: { audit: ownData }, onRequest: [...person(service)] },
    async (request) => {
      const { context } = await book.read(personOf(request));
      if (context === null) throw new VigError("VIG_NOT_FOUND", { what: "context" });
      return { context: answerOf(context) };
    },
  );
}

/** A step every five seconds, as of heartbeats; each writes rows that are kept for months. Source: DESIGN, edge. */
const CAPTURES: Rate = { perMinute: 12, burst: 12 };

/** Nobody fills the table of events. */
const captureLimit = ({ auth }: Service): onRequestHookHandler =>
  function check(request, reply, done) {
    const waitMs = auth.limiter.take(`capture|${keyOf(personOf(request))}`, 1, CAPTURES);
    if (waitMs === 0) return done();
    sendProblem(reply, "VIG_RATE_LIMITED", { retryAfterS: Math.ceil(waitMs / 1_000) });
  };

const answerOf = ({ capturedAtMs, ...rest }: GeoContext) => ({
  ...rest,
  capturedAt: new Date(capturedAtMs).toISOString(),
});

function sightingOf(request: FastifyRequest, service: Service): Sighting {
  const body = request.body as CaptureBody;
  const { latitude: lat, longitude: lon, accuracy } = body;
  return {
    atMs: service.clock(),
    point: lat === undefined || lon === undefined ? null : { lat, lon },
    accuracyM: accuracy ?? null,
    sim: simOf(body, service),
    address: addressSeen(addressOf(request.ip), service),
  };
}

function simOf({ mcc, mnc, carrier }: CaptureBody, service: Service): SimSeen | null {
  if (mcc === undefined) return null;
  const known = mnc === undefined ? null : service.countries.current.carrierOf(mcc, mnc);
  return { mcc, mnc: mnc ?? null, carrier: carrier ?? known };
}

function addressSeen(ip: string | null, { geoip, countries }: Service): AddressSeen {
  const { place, country, region, timezone, asn, organisation, isVpn } = geoip.lookup(ip ?? "");
  const isMobile = country !== null && asn !== null && countries.current.isMobile(country, asn);
  return {
    country,
    region,
    city: place?.city || null,
    timezone,
    organisation,
    asn,
    isVpn,
    isMobile,
  };
}

function originOf(request: FastifyRequest) {
  const { tenantId, subject: userId, sessionId } = callerOf(request);
  const userAgent = request.headers["user-agent"] ?? null;
  const ip = addressOf(request.ip);
  return { tenantId, userId, sessionId, ip, userAgent, eventId: randomUUID() };
}
