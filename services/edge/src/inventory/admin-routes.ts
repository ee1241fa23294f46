import type { AuditAction } from "@vigie/schemas/audit-actions";
import { beforeAnswer, counts } from "@vigie/service-kit/audit-trail/declared";
import { admin, callerOf } from "@vigie/service-kit/http/access";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import { tenantUuid } from "@vigie/service-kit/ids";
import type { Page } from "@vigie/service-kit/keyset";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Static, TSchema } from "typebox";
import { anomaliesPage } from "./anomalies.ts";
import {
  administeredSchema,
  anomalySchema,
  nextAnswer,
  pageSchema,
  sessionAnswer,
  timelineItemSchema,
  usageSchema,
} from "./answers.ts";
import type { JudgedSession } from "./liveness.ts";
import { timelineAnswer } from "./own-answers.ts";
import { currentSessionId, findPerson } from "./person.ts";
import {
  filterOf,
  listQuery,
  pageQuery,
  pageWanted,
  searchQuery,
  usageQuery,
  userParams,
} from "./queries.ts";
import { judgedPage, type Reading } from "./reading.ts";
import { searchSessions } from "./sessions-read.ts";
import { lastDays, usageOf } from "./usage.ts";

interface AdminRoute {
  readonly url: string;
  readonly summary: string;
  readonly query: TSchema;
  readonly schema: TSchema;
  /** What the audit calls it; null where no person's data is read. */
  readonly action: AuditAction | null;
  readonly answer: (request: FastifyRequest) => Promise<object>;
}

const USER = "/api/id/admin/users/:userId";

/** What administrators of the ID domain may read of their tenant; each look at a person is put on record first. */
export function adminRoutes(app: FastifyInstance, reading: Reading): void {
  for (const route of routesOf(reading)) {
    const { url, summary, query, schema, action, answer } = route;
    const isOfUser = url.includes(":userId");
    app.get(url, {
      schema: {
        tags: ["administration"],
        summary,
        security: [{ bearer: [] }],
        querystring: query,
        ...(isOfUser && { params: userParams }),
        response: { 200: schema, ...problemResponses },
      },
      config: { audit: action === null ? counts : beforeAnswer(action) },
      onRequest: [...admin(reading)],
      async handler(request) {
        if (action !== null) await putOnRecord(reading, request, action);
        return answer(request);
      },
    });
  }
}

/** Throws: VIG_AUDIT_WRITE_FAILED; then nothing is answered. */
async function putOnRecord(
  { audit }: Reading,
  request: FastifyRequest,
  action: AuditAction,
): Promise<void> {
  const query = request.query as Record<string, unknown>;
  const userId = userOf(request) ?? query.user;
  await audit.record({
    action,
    caller: callerOf(request),
    request,
    subjectUserId: typeof userId === "string" ? userId : null,
    payload: { query },
  });
}

const userOf = (request: FastifyRequest): string | undefined =>
  (request.params as Partial<Static<typeof userParams>>).userId;

const routesOf = (reading: Reading): readonly AdminRoute[] => [
  {
    url: "/api/id/admin/sessions/user/:userId",
    summary: "Sessions of a user, the newest first (SES-07)",
    query: listQuery,
    schema: pageSchema("sessions", administeredSchema),
    action: "sessions.read",
    answer: (request) => sessionsOfUser(reading, request),
  },
  {
    url: "/api/id/admin/sessions",
    summary: "Search in the sessions of the tenant, the newest first",
    query: searchQuery,
    schema: pageSchema("sessions", administeredSchema),
    action: "sessions.searched",
    answer: (request) => found(reading, request),
  },
  {
    url: "/api/id/admin/sessions/usage",
    summary: "Sessions begun by day and channel, and their growth (OBS-07)",
    query: usageQuery,
    schema: usageSchema,
    action: null,
    answer: (request) => {
      const { days = 30 } = request.query as Static<typeof usageQuery>;
      const { tenantId } = callerOf(request);
      const period = lastDays(reading.clock(), days);
      return reading.read(tenantId, (tx) => usageOf(tx, tenantUuid(tenantId), period));
    },
  },
  {
    url: `${USER}/anomalies`,
    summary: "Anomalies of a user, the newest first",
    query: pageQuery,
    schema: pageSchema("anomalies", anomalySchema),
    action: "anomalies.read",
    answer: (request) => anomaliesOfUser(reading, request),
  },
  {
    url: `${USER}/timeline`,
    summary: "What happened to a user: activities, anomalies, revocations, commands",
    query: pageQuery,
    schema: pageSchema("items", timelineItemSchema),
    action: "timeline.read",
    answer: (request) => {
      const page = pageWanted(request.query as Static<typeof pageQuery>);
      const { tenantId } = callerOf(request);
      return reading.read(tenantId, async (tx) =>
        timelineAnswer(tx, await findPerson(tx, tenantId, userOf(request) ?? ""), page),
      );
    },
  },
];

async function sessionsOfUser(reading: Reading, request: FastifyRequest) {
  const query = request.query as Static<typeof listQuery>;
  const wanted = pageWanted(query);
  const { tenantId } = callerOf(request);
  const page = await reading.read(tenantId, async (tx) => {
    const who = await findPerson(tx, tenantId, userOf(request) ?? "");
    const filter = {
      userId: who.userId,
      ...(!query.include_inactive && { status: "ACTIVE" }),
    };
    return searchSessions(tx, who.tenantId, filter, wanted);
  });
  return sessionsAnswer(judgedPage(reading, page, query.include_inactive !== true), request);
}

async function found(reading: Reading, request: FastifyRequest) {
  const query = request.query as Static<typeof searchQuery>;
  const { tenantId } = callerOf(request);
  const filter = filterOf(tenantId, query);
  const wanted = pageWanted(query);
  const page = await reading.read(tenantId, (tx) =>
    searchSessions(tx, tenantUuid(tenantId), filter, wanted),
  );
  return sessionsAnswer(judgedPage(reading, page, filter.status === "ACTIVE"), request);
}

function sessionsAnswer(page: Page<JudgedSession>, request: FastifyRequest) {
  const currentId = currentSessionId(callerOf(request));
  const sessions = page.items.map((session) => sessionAnswer(session, currentId));
  return { sessions, next: nextAnswer(page) };
}

async function anomaliesOfUser(reading: Reading, request: FastifyRequest) {
  const wanted = pageWanted(request.query as Static<typeof pageQuery>);
  const { tenantId } = callerOf(request);
  const page = await reading.read(tenantId, async (tx) =>
    anomaliesPage(tx, await findPerson(tx, tenantId, userOf(request) ?? ""), wanted),
  );
  const anomalies = page.items.map((row) => ({
    ...row,
    occurred_at: row.occurred_at.toISOString(),
    detected_at: row.detected_at.toISOString(),
    retracted_at: row.retracted_at?.toISOString() ?? null,
    labelled_at: row.labelled_at?.toISOString() ?? null,
  }));
  return { anomalies, next: nextAnswer(page) };
}
