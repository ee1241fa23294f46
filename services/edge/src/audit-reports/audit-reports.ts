import type { AuditAction } from "@vigie/schemas/audit-actions";
import { upstreamActions } from "@vigie/schemas/audit-actions";
import type { ReportedDeed } from "@vigie/service-kit/audit-trail/audit-trail";
import { ANY_APP, beforeAnswerOnce } from "@vigie/service-kit/audit-trail/declared";
import { callerOf, schemasKnown, scoped } from "@vigie/service-kit/http/access";
import { sendProblem } from "@vigie/service-kit/http/problem";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import { strictBody } from "@vigie/service-kit/http/strict-body";
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from "fastify";
import { callIdOf, isRepeatable } from "../commands/call.ts";
import { RecordedCalls } from "../commands/recorded-calls.ts";
import type { EdgeContext } from "../context.ts";
import { deedOf } from "./report.ts";
import { type Report, recordedSchema, reportBody } from "./schemas.ts";

/** Its own: who may report events may not thereby write evidence. */
const WRITE_SCOPE = "audit:write";

type Route = { Body: Report };

/** AUD-07, AUD-13: what other services of the platform do to people, for the one audit of all (AUD-05). */
export function auditReports(app: FastifyInstance, context: EdgeContext): void {
  const recorded = new RecordedCalls(context.database);
  app.post<Route>(
    "/v1/audit/records",
    {
      schema: {
        tags: ["audit"],
        summary: "Puts on record what another service did",
        description:
          `Scope ${WRITE_SCOPE}, a service's token. Answers once the broker has the record. ` +
          "Send it again, after a 503 too, with the same Idempotency-Key: it is on record once.",
        security: [{ bearer: [] }],
        body: reportBody,
        response: { 200: recordedSchema, ...problemResponses },
      },
      validatorCompiler: strictBody,
      config: { audit: beforeAnswerOnce(ANY_APP, ...upstreamActions) },
      onRequest: [schemasKnown(context), ...scoped(WRITE_SCOPE, context), isService],
    },
    async (request) => {
      const caller = callerOf(request);
      const reported = deedOf(request.body, context.clock(), context.limits);
      const name = callIdOf(request, caller, request.body);
      const record = () => put(context, request, reported);
      const recordedAtMs = isRepeatable(request)
        ? await recorded.once({ tenantId: caller.tenantId, name }, record)
        : await record();
      return { recorded_at: new Date(recordedAtMs).toISOString() };
    },
  );
}

const isService: onRequestHookHandler = function check(request, reply, done) {
  if (callerOf(request).kind === "service") done();
  else sendProblem(reply, "VIG_SERVICE_ONLY", { type: "audit" });
};

/** Returns: the broker's time of the record. */
async function put(
  { audit, clock }: EdgeContext,
  request: FastifyRequest<Route>,
  reported: ReportedDeed,
): Promise<number> {
  const { action, subject_user_id: subjectUserId = null, details = {} } = request.body;
  const caller = callerOf(request);
  const { recordedAtMs } = await audit.record({
    action: action as AuditAction,
    caller,
    request,
    subjectUserId,
    payload: { reported: { by: caller.subject, client_id: caller.clientId }, details },
    reported,
  });
  return recordedAtMs < 0 ? clock() : recordedAtMs;
}
