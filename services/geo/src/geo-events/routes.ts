import { ownData } from "@vigie/service-kit/audit-trail/declared";
import { person } from "@vigie/service-kit/http/access";
import { textOrNull } from "@vigie/service-kit/http/or-null";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import { strictQuery } from "@vigie/service-kit/http/strict-body";
import { cursorOf, placeOf } from "@vigie/service-kit/keyset";
import type { FastifyInstance } from "fastify";
import { type Static, Type } from "typebox";
import type { GeoContext } from "#context";
import { personOf } from "#prefs/routes";
import { type GeoEventRow, geoEventTypes } from "./geo-events.ts";

const URL = "/v1/geo/events";
const PAGE_MAX = 100;
const PAGE_DEFAULT = 20;

const type = Type.Union(geoEventTypes.map((each) => Type.Literal(each)));

const query = Type.Object(
  {
    type: Type.Optional(type),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: PAGE_MAX, default: PAGE_DEFAULT })),
    cursor: Type.Optional(Type.String({ description: "`next` of the page before" })),
  },
  { additionalProperties: false },
);

const route = {
  tags: ["events"],
  security: [{ bearer: [] }],
  summary: "The caller's own record of their places, newest first",
  querystring: query,
  response: {
    200: Type.Object({
      events: Type.Array(
        Type.Object({
          id: Type.String(),
          type,
          occurredAt: Type.String({ format: "date-time" }),
          country: textOrNull("ISO 3166-1 alpha-2"),
          region: textOrNull(),
          city: textOrNull(),
          geohash: textOrNull("cut to the caller's level"),
          details: Type.Unsafe<object>({ type: "object", additionalProperties: true }),
        }),
      ),
      next: textOrNull("cursor of the next page; null at the end"),
    }),
    ...problemResponses,
  },
};

/** GEO-09: what is on record of where a person was, to be read by them alone. */
export function geoEvents(scope: FastifyInstance, context: GeoContext): void {
  scope.setValidatorCompiler(strictQuery);
  scope.get(
    URL,
    { schema: route, config: { audit: ownData }, onRequest: [...person(context)] },
    async (request) => {
      const { type: wanted = null, limit = PAGE_DEFAULT, cursor } = request.query as Query;
      const after = cursor === undefined ? null : placeOf(cursor);
      const page = await context.book.events(personOf(request), { type: wanted, limit, after });
      return {
        events: page.items.map(answerOf),
        next: page.next === null ? null : cursorOf(page.next),
      };
    },
  );
}

type Query = Static<typeof query>;

const answerOf = ({ occurredAtMs, ...event }: GeoEventRow) => ({
  ...event,
  occurredAt: new Date(occurredAtMs).toISOString(),
});
