import { VigError } from "@vigie/core/errors";
import { aboutOthers } from "@vigie/service-kit/audit-trail/declared";
import { adminFault, callerOf, livesNow } from "@vigie/service-kit/http/access";
import { requireToken } from "@vigie/service-kit/http/auth";
import type { Caller } from "@vigie/service-kit/http/jwt";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import { strictBody } from "@vigie/service-kit/http/strict-body";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Static } from "typebox";
import { answerOrder } from "./answer.ts";
import type { Owner } from "./commander.ts";
import type { Commands } from "./commands.ts";
import { doneSchema, id, pendingSchema, strict } from "./schemas.ts";

const params = strict({ id: id("command_id of an answer") });

/** What became of a command: for the person whose sessions it was about, and for administrators. */
export function commandStateRoute(app: FastifyInstance, commands: Commands): void {
  app.get<{ Params: Static<typeof params> }>(
    "/api/id/commands/:id",
    {
      schema: {
        tags: ["own sessions"],
        summary: "Tells what a command did",
        security: [{ bearer: [] }],
        params,
        response: { 200: doneSchema, 202: pendingSchema, ...problemResponses },
      },
      validatorCompiler: strictBody,
      config: { audit: aboutOthers("command.read") },
      onRequest: [requireToken(commands.auth), livesNow(commands)],
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const commandId = request.params.id;
      const state = await commands.commander.stateOf(caller.tenantId, commandId);
      if (state === null) throw noCommand();
      if (!isTheirs(caller, state.owner)) await askOfOthers(commands, request, state.owner);
      return answerOrder(reply, commandId, state.kind === "done" ? state.result : null);
    },
  );
}

const noCommand = (): VigError => new VigError("VIG_NOT_FOUND", { what: "command" });

const isTheirs = (caller: Caller, owner: Owner): boolean =>
  caller.kind === "user" && caller.tenantId === owner.tenantId && caller.subject === owner.userId;

/** Throws: VIG_NOT_FOUND for who is no administrator, VIG_AUDIT_WRITE_FAILED; then nothing is answered. */
async function askOfOthers(
  { audit, idDomainOrgs }: Commands,
  request: FastifyRequest<{ Params: Static<typeof params> }>,
  { tenantId, userId: subjectUserId }: Owner,
): Promise<void> {
  const caller = callerOf(request);
  if (caller.tenantId !== tenantId || adminFault(caller, idDomainOrgs) !== null) {
    audit.denied({ caller, request, payload: { fault: "VIG_NOT_FOUND" } });
    throw noCommand();
  }
  const payload = { command_id: request.params.id };
  const action = "command.read";
  await audit.record({ action, caller, request, actorType: "ADMIN", subjectUserId, payload });
}
