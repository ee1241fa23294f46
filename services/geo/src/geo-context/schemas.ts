import { textOrNull } from "@vigie/service-kit/http/or-null";
import { problemResponses, problems } from "@vigie/service-kit/http/problem-responses";
import { type Static, Type } from "typebox";
import { contextSources } from "./geo-context.ts";

/** Source: id.geo.avsc, ITU-T E.212. */
const mcc = Type.Integer({ minimum: 200, maximum: 799, description: "mobile country code" });
const mnc = Type.Integer({ minimum: 0, maximum: 999, description: "mobile network code" });

/** Source: constraints of id.geo: the detector would take no record with one. */
const NO_CONTROLS = "^[^\\u0000-\\u001f\\u007f]*$";

/** GEO-20. */
export const captureBody = Type.Object(
  {
    latitude: Type.Optional(Type.Number({ minimum: -90, maximum: 90 })),
    longitude: Type.Optional(Type.Number({ minimum: -180, maximum: 180 })),
    accuracy: Type.Optional(
      // Further than half the way around the Earth nobody can be wrong.
      Type.Number({ minimum: 0, maximum: 20_040_000, description: "metres" }),
    ),
    mcc: Type.Optional(mcc),
    mnc: Type.Optional(mnc),
    carrier: Type.Optional(Type.String({ minLength: 1, maxLength: 64, pattern: NO_CONTROLS })),
  },
  {
    additionalProperties: false,
    dependencies: {
      latitude: ["longitude"],
      longitude: ["latitude"],
      accuracy: ["latitude"],
      mnc: ["mcc"],
      carrier: ["mcc"],
    },
  },
);
export type CaptureBody = Static<typeof captureBody>;

const source = Type.Union(
  contextSources.map((each) => Type.Literal(each)),
  { description: "the best that there was" },
);
const country = textOrNull("ISO 3166-1 alpha-2");
const city = textOrNull("no finer than the caller's level");
const timezone = textOrNull("IANA time zone, from the level region");

const common = { tags: ["context"], security: [{ bearer: [] }] };

export const captureRoute = {
  ...common,
  summary: "Says where the caller is",
  description:
    "A position is used with gpsOptIn only; without it, it is neither kept nor passed on, and `gps` says so. The caller's address is taken from the connection.",
  body: captureBody,
  response: {
    200: Type.Object({
      status: Type.Literal("ok"),
      gps: Type.Union([Type.Literal("used"), Type.Literal("refused"), Type.Literal("absent")], {
        description: "refused: a position was sent without gpsOptIn",
      }),
      context: Type.Object({ country, city, timezone, source }),
    }),
    ...problemResponses,
  },
};

export const readContextRoute = {
  ...common,
  summary: "Where the caller was last",
  response: {
    200: Type.Object({
      context: Type.Object({
        source,
        country,
        region: textOrNull("no finer than the caller's level"),
        city,
        geohash: textOrNull("of a position, cut to the caller's level"),
        timezone,
        isVpn: Type.Boolean(),
        isMobile: Type.Boolean(),
        carrier: textOrNull("of the SIM"),
        capturedAt: Type.String({ format: "date-time" }),
      }),
    }),
    ...problemResponses,
    ...problems(404),
  },
};
