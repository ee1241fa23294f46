import { ownData } from "@vigie/service-kit/audit-trail/declared";
import { callerOf, person } from "@vigie/service-kit/http/access";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import { cursorOf, type Page } from "@vigie/service-kit/keyset";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type Static, type TSchema, Type } from "typebox";
import {
  currentSchema,
  detailsSchema,
  deviceSchema,
  nextAnswer,
  pageSchema,
  sessionAnswer,
  statisticsSchema,
  summarySchema,
  timelineItemSchema,
} from "./answers.ts";
import type { JudgedSession } from "./liveness.ts";
import { currentAnswer, devicesAnswer, statisticsAnswer, timelineAnswer } from "./own-answers.ts";
import { callingPerson, currentSessionId } from "./person.ts";
import { listQuery, noQuery, pageQuery, pageWanted } from "./queries.ts";
import { judgedPage, type Reading } from "./reading.ts";
import { searchSessions } from "./sessions-read.ts";

/** The two families of paths (CNF-03); what lies below them is the same. */
const OURS = "/api/id/sessions/me";
const USERS = "/api/v1/users/me/sessions";

type Answer = (request: FastifyRequest, reply: FastifyReply) => Promise<object>;

interface OwnRoute {
  readonly urls: readonly string[];
  readonly summary: string;
  readonly query: TSchema;
  readonly schema: TSchema;
  readonly answer: Answer;
}

/** What a person may read of themselves; no permission is needed for it (REV-15). */
export function ownRoutes(app: FastifyInstance, reading: Reading): void {
  for (const { urls, summary, query, schema, answer } of routesOf(reading)) {
    for (const url of urls) {
      app.get(url, {
        schema: {
          tags: ["own sessions"],
          summary,
          security: [{ bearer: [] }],
          querystring: query,
          response: { 200: schema, ...problemResponses },
        },
        config: { audit: ownData },
        onRequest: [...person(reading)],
        handler: answer,
      });
    }
  }
}

const routesOf = (reading: Reading): readonly OwnRoute[] => [
  {
    urls: [OURS],
    summary: "Sessions of the caller, the newest first (SES-06)",
    query: listQuery,
    schema: pageSchema("sessions", detailsSchema),
    answer: async (request) => {
      const page = await ownSessions(reading, request);
      return { sessions: answersOf(page, request), next: nextAnswer(page) };
    },
  },
  {
    urls: [USERS],
    summary:
      "Sessions of the caller, the newest first (SES-08); the header Link names the next page",
    query: listQuery,
    schema: Type.Array(summarySchema),
    answer: async (request, reply) => {
      const page = await ownSessions(reading, request);
      if (page.next !== null) reply.header("link", linkToNext(request, cursorOf(page.next)));
      return answersOf(page, request);
    },
  },
  {
    urls: [`${OURS}/current`, `${USERS}/current`],
    summary: "The calling session, live, with what was done in it (SES-12)",
    query: noQuery,
    schema: currentSchema,
    answer: (request) => currentAnswer(reading, callerOf(request)),
  },
  {
    urls: [`${OURS}/statistics`, `${USERS}/statistics`],
    summary: "How many sessions the caller has and had (SES-13)",
    query: noQuery,
    schema: statisticsSchema,
    answer: (request) => statisticsAnswer(reading, callingPerson(callerOf(request))),
  },
  {
    urls: [`${OURS}/timeline`],
    summary: "What happened to the caller: activities, anomalies, revocations, commands",
    query: pageQuery,
    schema: pageSchema("items", timelineItemSchema),
    answer: (request) => {
      const page = pageWanted(request.query as Static<typeof pageQuery>);
      const who = callingPerson(callerOf(request));
      return reading.read(who.tenantKey, (tx) => timelineAnswer(tx, who, page));
    },
  },
  {
    urls: ["/api/id/devices"],
    summary: "Devices of the caller with their active sessions (PRV-04)",
    query: pageQuery,
    schema: pageSchema("devices", deviceSchema),
    answer: (request) => {
      const page = pageWanted(request.query as Static<typeof pageQuery>);
      return devicesAnswer(reading, callerOf(request), page);
    },
  },
];

async function ownSessions(
  reading: Reading,
  request: FastifyRequest,
): Promise<Page<JudgedSession>> {
  const query = request.query as Static<typeof listQuery>;
  const { tenantId, tenantKey, userId } = callingPerson(callerOf(request));
  const filter = { userId, ...(!query.include_inactive && { status: "ACTIVE" }) };
  const wanted = pageWanted(query);
  const page = await reading.read(tenantKey, (tx) => searchSessions(tx, tenantId, filter, wanted));
  return judgedPage(reading, page, query.include_inactive !== true);
}

function answersOf(page: Page<JudgedSession>, request: FastifyRequest) {
  const currentId = currentSessionId(callerOf(request));
  return page.items.map((session) => sessionAnswer(session, currentId));
}

/** Source: RFC 8288. A relative reference, so that it holds behind any gateway. */
function linkToNext(request: FastifyRequest, cursor: string): string {
  const query = new URLSearchParams(request.url.split("?")[1]);
  query.set("cursor", cursor);
  return `<${request.routeOptions.url}?${query}>; rel="next"`;
}
