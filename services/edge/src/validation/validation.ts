import { SECOND_MS } from "@vigie/core/time";
import { nothing } from "@vigie/service-kit/audit-trail/declared";
import { callerOf, scoped } from "@vigie/service-kit/http/access";
import { sendProblem } from "@vigie/service-kit/http/problem";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import { strictBody } from "@vigie/service-kit/http/strict-body";
import type { SessionFacts } from "@vigie/service-kit/sessions/view";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type Static, Type } from "typebox";
import { id, strict } from "../commands/schemas.ts";
import type { EdgeContext } from "../context.ts";
import { contextOf, WRITE_SCOPE } from "../ingest/ingest.ts";
import { type Admit, createAdmit } from "../ingest/steps/admit-event.ts";

const askedSchema = strict({
  session_id: id("as events name it, or as lists show it"),
  update_activity: Type.Optional(
    Type.Boolean({
      default: false,
      description: `true: the session has been seen now; needs the scope ${WRITE_SCOPE} as well`,
    }),
  ),
});

/** The words of introspection; of a session that does not live nothing but that. */
const validSchema = Type.Object({
  active: Type.Boolean({ description: "the tenant has this session, and it lives now" }),
  channel: Type.Optional(Type.String()),
  step_up_required: Type.Optional(Type.Boolean()),
  risk_score: Type.Optional(Type.Integer()),
  session_expires_at: Type.Optional(
    Type.Integer({ description: "as it stood when it was asked for; epoch seconds" }),
  ),
});

interface Validation extends EdgeContext {
  readonly admit: Admit;
}
type Asked = { Body: Static<typeof askedSchema> };

/** SES-17, SES-18, ANO-21: whether a session lives, for a service that knows its id and holds no token of it. */
export function validation(scope: FastifyInstance, context: EdgeContext): void {
  const shared = { ...context, admit: createAdmit(context) };
  scope.route<Asked>({
    method: "POST",
    url: "/api/id/sessions/validate",
    config: { audit: nothing("tells of an id whether it counts, and not whose it is") },
    schema: {
      tags: ["introspection"],
      summary: "Whether a session lives now, by its id alone",
      description: "503 when nobody can tell. With update_activity the broker has the sighting.",
      security: [{ bearer: [] }],
      body: askedSchema,
      response: { 200: validSchema, ...problemResponses },
    },
    onRequest: [...scoped("id:introspect", context)],
    validatorCompiler: strictBody,
    handler: (request, reply) => validate(shared, request, reply),
  });
}

async function validate(
  context: Validation,
  request: FastifyRequest<Asked>,
  reply: FastifyReply,
): Promise<Static<typeof validSchema> | FastifyReply> {
  const { session_id: given, update_activity: isSeen = false } = request.body;
  const { tenantId, scopes } = callerOf(request);
  if (isSeen && !scopes.has(WRITE_SCOPE)) {
    return sendProblem(reply, "VIG_SCOPE_MISSING", { scope: WRITE_SCOPE });
  }
  const answer = await context.view.resolveById(tenantId, given);
  if (answer.kind !== "live") return { active: false };
  const { session } = answer;
  if (isSeen) {
    const refusal = await tellSighting(context, request, session);
    if (refusal !== null) return refusal(reply);
  }
  return {
    active: true,
    channel: session.channel,
    step_up_required: session.stepUpRequiredAtMs !== null,
    risk_score: session.riskScore,
    session_expires_at: Math.floor(session.idleExpiresAtMs / SECOND_MS),
  };
}

type Refusal = (reply: FastifyReply) => FastifyReply;

/** The same as a heartbeat that the service sends itself. Throws: VIG_BROKER_AWAY, VIG_BUFFER_FULL. */
async function tellSighting(
  { admit, output, clock, isReady }: Validation,
  request: FastifyRequest,
  { userId, sessionId, channel }: SessionFacts,
): Promise<Refusal | null> {
  if (!isReady()) {
    return (reply) => sendProblem(reply, "VIG_REGISTRY_AWAY", { why: "schemas are not known yet" });
  }
  const sighting = { user_id: userId, session_id: sessionId, channel, occurred_at: clock() };
  const admission = admit("heartbeat", sighting, contextOf(request, clock));
  if (admission.kind === "refused") {
    const { code, details, faults } = admission;
    return (reply) => sendProblem(reply, code, details, faults);
  }
  await output.publish(admission.event);
  return null;
}
