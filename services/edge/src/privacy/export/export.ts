import { Readable } from "node:stream";
import { beforeAnswer } from "@vigie/service-kit/audit-trail/declared";
import { callerOf, person } from "@vigie/service-kit/http/access";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import { strictQuery } from "@vigie/service-kit/http/strict-body";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import type { EdgeContext } from "../../context.ts";
import { callingPerson } from "../../inventory/person.ts";
import { noQuery } from "../../inventory/queries.ts";
import { readingOf } from "../../inventory/reading.ts";
import { exportDocument } from "./document.ts";

const documentSchema = Type.Object(
  {
    version: Type.String(),
    exported_at: Type.String({ format: "date-time" }),
    tenant: Type.String(),
    user: Type.String(),
    tables: Type.Object({}, { description: "each table and column in words" }),
    held_elsewhere: Type.Array(Type.String()),
    data: Type.Object({}, { description: "the rows by table" }),
    complete: Type.Boolean({ description: "the last member; missing when the answer was cut off" }),
  },
  { description: "everything held on the caller" },
);

/** PRV-05, PRV-14: access and portability. */
export function dataExport(scope: FastifyInstance, context: EdgeContext): void {
  scope.setValidatorCompiler(strictQuery);
  const { read } = readingOf(context);
  scope.get("/api/id/sessions/me/export", {
    schema: {
      tags: ["own sessions"],
      summary: "Everything held on the caller, as one JSON document",
      security: [{ bearer: [] }],
      querystring: noQuery,
      response: { 200: documentSchema, ...problemResponses },
    },
    // Its document would be made whole and thrown away, and be on record as exported.
    exposeHeadRoute: false,
    config: { audit: beforeAnswer("privacy.exported") },
    onRequest: [...person(context)],
    async handler(request, reply) {
      const caller = callerOf(request);
      const who = callingPerson(caller);
      const { subject: subjectUserId } = caller;
      // Once the document has begun, no problem can be answered any more: so the tables are tried first.
      await read(who.tenantKey, (tx) => tx.query("select 1"));
      const action = "privacy.exported" as const;
      await context.audit.record({ action, caller, request, subjectUserId, payload: {} });
      reply.type("application/json; charset=utf-8");
      reply.header("content-disposition", 'attachment; filename="sessions-export.json"');
      const pieces = exportDocument((work) => read(who.tenantKey, work), who, context.clock());
      return reply.send(Readable.from(pieces));
    },
  });
}
