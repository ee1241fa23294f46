import { VigError } from "@vigie/core/errors";
import type { RevocationAck } from "@vigie/schemas/types";
import { beforeAnswer, counts, nothing } from "@vigie/service-kit/audit-trail/declared";
import { admin, callerOf, schemasKnown, scoped } from "@vigie/service-kit/http/access";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import { strictBody, strictQuery } from "@vigie/service-kit/http/strict-body";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { type Static, Type } from "typebox";
import { latencyOf, reportOf } from "./ack-report.ts";
import type { Commands } from "./commands.ts";
import { databaseOf } from "./known-ids.ts";
import { asksNothingSpecial } from "./own-sessions.ts";
import { id, strict } from "./schemas.ts";

const ACK_SCOPE = "revocations:ack";
/** Source: DESIGN, what is wrong with a record; clocks of enforcement points are kept by NTP. */
const AHEAD_MAX_MS = 300_000;

const params = strict({ id: id("revocation_id of id.session.revoked") });
const ackBody = strict({
  acted_at: Type.Optional(
    Type.Integer({ minimum: 0, description: "ms since the epoch, UTC; default: now" }),
  ),
});
const ackedSchema = Type.Object(
  {
    revocation_id: Type.String(),
    enforcement_point: Type.String({ description: "client_id of the token" }),
    acted_at: Type.String({ format: "date-time" }),
  },
  { description: "the broker has it" },
);

const time = Type.String({ format: "date-time" });
const pointSchema = Type.Object({
  enforcement_point: Type.String(),
  is_expected: Type.Boolean({ description: "named in ENFORCEMENT_POINTS" }),
  acted_at: Type.Unsafe<string | null>({ type: ["string", "null"] }),
  delay_ms: Type.Unsafe<number | null>({ type: ["integer", "null"] }),
  is_late: Type.Boolean({ description: "acted after the objective, or has not by now" }),
});
const reportSchema = Type.Object({
  revocation_id: Type.String(),
  revoked_at: time,
  reason: Type.String(),
  objective_ms: Type.Integer(),
  is_complete: Type.Boolean({ description: "every expected point has acted" }),
  points: Type.Array(pointSchema),
});

const hoursQuery = Type.Object(
  { hours: Type.Optional(Type.Integer({ minimum: 1, maximum: 744, description: "default 24" })) },
  { additionalProperties: false },
);
const latencySchema = Type.Object({
  hours: Type.Integer(),
  objective_ms: Type.Integer(),
  points: Type.Array(
    Type.Object({
      enforcement_point: Type.String(),
      is_expected: Type.Boolean(),
      acks: Type.Integer(),
      late: Type.Integer({ description: "of them, after the objective" }),
      unanswered: Type.Integer({ description: "revocations older than the objective, no answer" }),
      p50_ms: Type.Unsafe<number | null>({ type: ["number", "null"] }),
      p99_ms: Type.Unsafe<number | null>({ type: ["number", "null"] }),
      last_acted_at: Type.Unsafe<string | null>({ type: ["string", "null"] }),
    }),
  ),
});

const security = [{ bearer: [] }];
const HOURS_DEFAULT = 24;

/** Enforcement points say that they have acted, and administrators see who has not. */
export function ackRoutes(app: FastifyInstance, commands: Commands): void {
  ackRoute(app, commands);
  const shared = { onRequest: [...admin(commands)] };
  const described = { tags: ["administration"], security };
  app.get<{ Params: Static<typeof params> }>(
    "/api/id/admin/revocations/:id",
    {
      ...shared,
      schema: {
        ...described,
        summary: "Tells who has acted on a revocation",
        params,
        response: { 200: reportSchema, ...problemResponses },
      },
      validatorCompiler: strictBody,
      config: { audit: beforeAnswer("revocation.read") },
    },
    async (request) => {
      const { tenantId } = callerOf(request);
      const report = await reportOf(databaseOf(commands), {
        ...objectiveOf(commands),
        tenantId,
        revocationId: request.params.id,
      });
      await putOnRecord(commands, request, report?.userId ?? null);
      if (report === null) throw new VigError("VIG_NOT_FOUND", { what: "revocation" });
      return report.answer;
    },
  );
  app.register(async (scope) => {
    scope.setValidatorCompiler(strictQuery);
    scope.get<{ Querystring: Static<typeof hoursQuery> }>(
      "/api/id/admin/revocations/latency",
      {
        ...shared,
        schema: {
          ...described,
          summary: "Tells how fast enforcement points act on revocations",
          querystring: hoursQuery,
          response: { 200: latencySchema, ...problemResponses },
        },
        config: { audit: counts },
      },
      async (request) => {
        const { hours = HOURS_DEFAULT } = request.query;
        const { tenantId } = callerOf(request);
        return latencyOf(databaseOf(commands), { ...objectiveOf(commands), tenantId, hours });
      },
    );
  });
}

function ackRoute(app: FastifyInstance, commands: Commands): void {
  const { output, clock } = commands;
  const encoder = commands.codecs.encoder<RevocationAck>("id.session.revocation_ack");
  app.post<{ Params: Static<typeof params>; Body: Static<typeof ackBody> }>(
    "/api/id/revocations/:id/ack",
    {
      schema: {
        tags: ["enforcement points"],
        summary: "Says that the caller has acted on a revocation",
        description: `Scope ${ACK_SCOPE}. The first word of each enforcement point counts.`,
        security,
        params,
        body: ackBody,
        response: { 202: ackedSchema, ...problemResponses },
      },
      validatorCompiler: strictBody,
      config: { audit: nothing("what an enforcement point says lies on its topic") },
      onRequest: [schemasKnown(commands), ...scoped(ACK_SCOPE, commands)],
      preValidation: asksNothingSpecial,
    },
    async (request, reply) => {
      const { tenantId, clientId } = callerOf(request);
      if (clientId === null) {
        throw new VigError("VIG_REQUEST_INVALID", { why: "the token names no client_id" });
      }
      const actedAtMs = request.body.acted_at ?? clock();
      if (actedAtMs > clock() + AHEAD_MAX_MS) {
        throw new VigError("VIG_BODY_INVALID", { path: "acted_at", why: "is in the future" });
      }
      const ack = {
        revocation_id: request.params.id,
        tenant_id: tenantId,
        enforcement_point: clientId,
        acted_at: actedAtMs,
      };
      const key = ack.revocation_id;
      await output.publish({ topic: "id.session.revocation_ack", key, value: encoder.encode(ack) });
      reply.code(202);
      const { revocation_id, enforcement_point } = ack;
      return { revocation_id, enforcement_point, acted_at: new Date(actedAtMs).toISOString() };
    },
  );
}

const objectiveOf = ({ clock, enforcementPoints, ackObjectiveMs }: Commands) => ({
  nowMs: clock(),
  expected: enforcementPoints,
  objectiveMs: ackObjectiveMs,
});

/** What is told of one revocation tells of a person. */
async function putOnRecord(
  { audit }: Commands,
  request: FastifyRequest<{ Params: Static<typeof params> }>,
  subjectUserId: string | null,
): Promise<void> {
  const caller = callerOf(request);
  const payload = { revocation_id: request.params.id };
  const action = "revocation.read";
  await audit.record({ action, caller, request, actorType: "ADMIN", subjectUserId, payload });
}
