import type { Credit, GeoData } from "@vigie/geoip/data";
import { nothing } from "@vigie/service-kit/audit-trail/declared";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { limitedByAddress } from "#address-limit";
import type { GeoContext } from "../context.ts";

/** Whoever made data that answers come from and wants to be named for it, once each. */
export function creditsOf({ city, network }: GeoData): readonly Credit[] {
  return [...new Set([...city.credits, ...network.credits])];
}

const credit = Type.Object({
  name: Type.String(),
  text: Type.String({ description: "To be shown where answers are, as a link to `url`" }),
  url: Type.String(),
  licence: Type.String(),
  licenceUrl: Type.String(),
});

/** For whoever shows what this service answers: whom to name beside it. */
export function attribution(scope: FastifyInstance, context: GeoContext): void {
  const schema = {
    tags: ["attribution"],
    summary: "Whom to name where places are shown",
    response: { 200: Type.Object({ credits: Type.Array(credit) }), ...problemResponses },
  };
  const config = { audit: nothing("what everybody may know") };
  const onRequest = [limitedByAddress(context)];
  scope.get("/v1/geo/attribution", { schema, config, onRequest }, () => ({
    credits: creditsOf(context.geoip.data()),
  }));
}
