import { beforeAnswer } from "@vigie/service-kit/audit-trail/declared";
import { auditor, callerOf } from "@vigie/service-kit/http/access";
import { problemResponses, problems } from "@vigie/service-kit/http/problem-responses";
import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import type { EdgeContext } from "../context.ts";
import { entryAnswer, searchSchema } from "./answers.ts";
import { cursorOf } from "./place.ts";
import { askedOf, pageWanted, searchQuery } from "./queries.ts";
import { reachOf } from "./reach.ts";
import { logOf, opened, putOnRecord } from "./reading.ts";

/** AUD-05: the audit of a tenant, newest first. */
export function searchRoute(app: FastifyInstance, context: EdgeContext): void {
  app.get<{ Querystring: Static<typeof searchQuery> }>("/api/id/admin/audit", {
    schema: {
      tags: ["audit"],
      summary: "Search in the audit, the newest first",
      description:
        "Put on record before it is answered (audit.searched). A page looks at some thousand entries at most: it may be short or empty and still have a next one.",
      security: [{ bearer: [] }],
      querystring: searchQuery,
      response: { 200: searchSchema, ...problemResponses, ...problems(404) },
    },
    config: { audit: beforeAnswer("audit.searched") },
    onRequest: [...auditor(context)],
    async handler(request) {
      const log = logOf(context);
      const reach = reachOf(request, context);
      const page = pageWanted(request.query);
      const own = callerOf(request).tenantId;
      const { filter, told, person } = await askedOf(log, { reach, own }, request.query);
      const found = await log.find(filter, page);
      await putOnRecord(context, request, {
        action: "audit.searched",
        person,
        payload: { filter: told, limit: page.limit, is_first_page: page.after === null },
      });
      const entries = await opened(log, found.leaves);
      return {
        entries: entries.map((entry) => entryAnswer(entry, log.canOpen)),
        next: found.next === null ? null : cursorOf(found.next),
        searched_to: found.searchedTo,
      };
    },
  });
}
