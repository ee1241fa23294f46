import { nothing } from "@vigie/service-kit/audit-trail/declared";
import { orNull } from "@vigie/service-kit/http/or-null";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import { strictBody } from "@vigie/service-kit/http/strict-body";
import type { Metrics } from "@vigie/service-kit/metrics";
import type { FastifyInstance } from "fastify";
import { type Static, Type } from "typebox";
import { limitedByAddress } from "#address-limit";
import { listedOf } from "#countries/public-routes";
import { listedCountry } from "#countries/schemas";
import type { GeoContext } from "../context.ts";
import { type Detection, detect } from "./detection.ts";
import { methods } from "./verdict.ts";

const optional = Type.Optional;
const method = Type.Union(methods.map((name) => Type.Literal(name)));
const codes = Type.Array(Type.String());

const body = Type.Object(
  {
    phone: optional(
      Type.String({ minLength: 1, maxLength: 32, description: "international: +221 77 123 45 67" }),
    ),
    ip: optional(Type.String({ minLength: 2, maxLength: 45, description: "IPv4 or IPv6" })),
    mcc: optional(Type.Integer({ minimum: 0, maximum: 999, description: "of the SIM" })),
    mnc: optional(Type.Integer({ minimum: 0, maximum: 999, description: "of the SIM" })),
  },
  { additionalProperties: false },
);

/** What is answered; tests hold it to this. */
export const detectionAnswer = Type.Object({
  country: orNull(Type.String({ description: "ISO 3166-1 alpha-2; null: nothing tells" })),
  detectionMethod: orNull(method),
  active: Type.Boolean({ description: "whether the platform serves the country" }),
  countryData: orNull(listedCountry),
  geoData: Type.Object({
    city: orNull(Type.String({ description: "of the address, if it is in the country" })),
    region: orNull(Type.String({ description: "likewise" })),
    timezone: orNull(Type.String()),
    isVpn: Type.Boolean({ description: "of the address" }),
    isMobile: Type.Boolean({ description: "there is a SIM, or the address is of phones" }),
    carrier: orNull(Type.String({ description: "by the SIM's network" })),
  }),
  candidates: Type.Object(
    { phone: orNull(codes), sim: orNull(codes), ip: orNull(codes) },
    { description: "what each may mean; empty: it tells nothing; null: not given" },
  ),
  mismatch: Type.Array(
    Type.Object({
      methods: Type.Array(method, { description: "two that have no country in common" }),
      countries: Type.Array(codes, { description: "what each of them means" }),
    }),
  ),
});

const route = {
  tags: ["countries"],
  summary: "The country of a phone number, a SIM or an address",
  description:
    "The phone number counts before the SIM, the SIM before the address; what disagrees is told. With an empty body: of the caller's own address.",
  body,
  response: { 200: detectionAnswer, ...problemResponses },
};

/** GEO-13, GEO-14: where somebody is from, for everybody. */
export function detection(scope: FastifyInstance, context: GeoContext): void {
  scope.setValidatorCompiler(strictBody);
  const { geoip, countries } = context;
  const count = lookupCounter(context.metrics);
  scope.post<{ Body: Static<typeof body> }>(
    "/v1/geo/detect",
    {
      schema: route,
      config: { audit: nothing("of numbers and addresses that the caller names, of no person") },
      onRequest: limitedByAddress(context),
    },
    (request, reply) => {
      const { phone, mcc, mnc, ip } = request.body;
      const isEmpty = Object.keys(request.body).length === 0;
      const signs = { phone, mcc, mnc, ip: isEmpty ? request.ip : ip };
      const found = detect(signs, { countries: countries.current, geoip });
      count(found);
      const countryData = found.countryData === null ? null : listedOf(found.countryData);
      // The schema describes it; all members are ours, so that none has to be left out.
      return reply
        .type("application/json; charset=utf-8")
        .send(JSON.stringify({ ...found, countryData }));
    },
  );
}

/** OBS-04. */
function lookupCounter(metrics: Metrics): (found: Detection) => void {
  const lookups = metrics.counter("geo_lookups_total", "Countries looked for", [
    "method",
    "outcome",
  ]);
  // Labels are joined once, not at every call.
  const counters = new Map(
    [...methods, "none"].flatMap((method) =>
      outcomes.map((outcome) => [`${method} ${outcome}`, lookups.labels({ method, outcome })]),
    ),
  );
  return (found) => counters.get(`${found.detectionMethod ?? "none"} ${outcomeOf(found)}`)?.inc();
}

/** `unsupported`: a country that is not in the matrix. */
const outcomes = ["found", "inactive", "unsupported", "unknown"] as const;

function outcomeOf({ country, countryData, active }: Detection): (typeof outcomes)[number] {
  if (country === null) return "unknown";
  if (countryData === null) return "unsupported";
  return active ? "found" : "inactive";
}
