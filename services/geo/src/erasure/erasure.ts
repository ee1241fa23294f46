import { beforeAnswer } from "@vigie/service-kit/audit-trail/declared";
import { callerOf, personAlone, schemasKnown } from "@vigie/service-kit/http/access";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import type { FastifyInstance } from "fastify";
import { type Static, Type } from "typebox";
import type { GeoContext } from "../context.ts";
import { retainedAt } from "./retained.ts";

const ACTION = "privacy.location_erased";

const count = (description: string) => Type.Integer({ minimum: 0, description });

const erasedSchema = Type.Object(
  {
    status: Type.Literal("erased"),
    erased: Type.Object({
      preferences: count("what was chosen; the defaults count again"),
      lastContext: count("where the person was last"),
      gpsPositions: count("sealed positions, with their keys"),
      placesOfEvents: count(
        "events that told of a place or what followed from it; they tell it no more",
      ),
      unpublished: count("changes that had not been published yet"),
    }),
    retained: Type.Array(
      Type.Object({
        where: Type.String(),
        what: Type.String(),
        until: Type.Union([Type.String({ format: "date-time" }), Type.Null()], {
          description: "null: no date is known, see what",
        }),
      }),
      { description: "what no deletion reaches before its time" },
    ),
  },
  { description: "what is gone, in numbers" },
);

/** CNF-26, PRV-10: a person erases their location preferences and all that is held of where they were. */
export function erasure(scope: FastifyInstance, context: GeoContext): void {
  const { database, eraser, audit, clock } = context;
  scope.delete(
    "/v1/geo/prefs",
    {
      schema: {
        tags: ["preferences"],
        security: [{ bearer: [] }],
        summary: "Erases preferences, last place, positions and the places of events",
        response: { 200: erasedSchema, ...problemResponses },
      },
      config: { audit: beforeAnswer(ACTION) },
      onRequest: [schemasKnown(context), ...personAlone(context)],
    },
    async (request): Promise<Static<typeof erasedSchema>> => {
      const caller = callerOf(request);
      const { tenantId, subject: userId } = caller;
      // AUD-01: on record before anything is done.
      await audit.record({ action: ACTION, caller, request, subjectUserId: userId, payload: {} });
      const nowMs = clock();
      const erased = await database.inTenant(tenantId, (tx) =>
        eraser.location(tx, { tenantId, userId }, nowMs),
      );
      return { status: "erased", erased, retained: retainedAt(nowMs) };
    },
  );
}
