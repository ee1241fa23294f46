import { ownData } from "@vigie/service-kit/audit-trail/declared";
import { personAlone } from "@vigie/service-kit/http/access";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import type { GeoContext } from "#context";
import { personOf } from "#prefs/routes";
import { createGpsVault, KEPT_MAX_MS } from "./vault.ts";

const time = (description: string) => Type.String({ format: "date-time", description });

const positionsSchema = Type.Object({
  positions: Type.Array(
    Type.Object({
      latitude: Type.Number(),
      longitude: Type.Number(),
      accuracy: Type.Union([Type.Number(), Type.Null()], { description: "metres" }),
      capturedAt: time("when the caller's device said it"),
      goneBy: time("by then it is deleted, a day later at most"),
    }),
    { description: "newest first" },
  ),
});

/** GEO-09: what the vault holds of a person is theirs to see. */
export function gpsPositions(scope: FastifyInstance, context: GeoContext): void {
  const vault = createGpsVault(context.keys, context.clock);
  scope.get(
    "/v1/geo/positions",
    {
      schema: {
        tags: ["context"],
        security: [{ bearer: [] }],
        summary: "The caller's own positions, as far as they are still kept",
        response: { 200: positionsSchema, ...problemResponses },
      },
      config: { audit: ownData },
      onRequest: [...personAlone(context)],
    },
    async (request) => {
      const owner = personOf(request);
      const positions = await context.database.inTenant(owner.tenantId, (tx) =>
        vault.read(tx, owner),
      );
      return {
        positions: positions.map(({ lat, lon, accuracyM, capturedAtMs }) => ({
          latitude: lat,
          longitude: lon,
          accuracy: accuracyM,
          capturedAt: new Date(capturedAtMs).toISOString(),
          goneBy: new Date(capturedAtMs + KEPT_MAX_MS).toISOString(),
        })),
      };
    },
  );
}
