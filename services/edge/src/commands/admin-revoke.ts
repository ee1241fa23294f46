import { VigError } from "@vigie/core/errors";
import { actorOf } from "@vigie/service-kit/audit-trail/actor";
import { beforeAnswerOnce, counts } from "@vigie/service-kit/audit-trail/declared";
import { admin, callerOf, schemasKnown } from "@vigie/service-kit/http/access";
import { sendProblem } from "@vigie/service-kit/http/problem";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import { strictBody } from "@vigie/service-kit/http/strict-body";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Static } from "typebox";
import { createDeeds, type Deed } from "./admin-deeds.ts";
import { type AdminBody, adminAnswers, adminBody, batchStateSchema } from "./admin-schemas.ts";
import { answerOrder } from "./answer.ts";
import { callIdOf, isRepeatable } from "./call.ts";
import { channelOf } from "./command.ts";
import type { Commands } from "./commands.ts";
import { isEpochPublished } from "./epochs.ts";
import { type Filter, type Plan, planOf } from "./filter.ts";
import { countSessions } from "./found-sessions.ts";
import { databaseOf } from "./known-ids.ts";
import { Once } from "./once.ts";
import { RecordedCalls } from "./recorded-calls.ts";
import { id, strict } from "./schemas.ts";
import { readBatch } from "./stored-results.ts";

/** Why, when the administrator does not say. Source: id.session.command.avsc. */
const REASON_DEFAULT = "admin";
const PLATFORM_SCOPE = "platform:admin";

const security = [{ bearer: [] }];
type Revoke = { Body: AdminBody };

/** REV-03. */
export function adminRevokeRoutes(app: FastifyInstance, commands: Commands): void {
  const deeds = createDeeds(commands);
  const calls = new Once<Deed>();
  const recorded = new RecordedCalls(commands.database);
  app.post<Revoke>(
    "/api/id/admin/sessions/revoke",
    {
      schema: {
        tags: ["administration"],
        summary: "Revokes the sessions that a filter means, or counts them",
        security,
        body: adminBody,
        response: { ...adminAnswers, ...problemResponses },
      },
      validatorCompiler: strictBody,
      config: { audit: beforeAnswerOnce("session.revoke_requested", "session.revoke_counted") },
      onRequest: [schemasKnown(commands), ...admin(commands)],
    },
    async (request, reply) => {
      const asked = askedOf(request);
      if (!mayReach(commands, request, asked)) {
        return sendProblem(reply, "VIG_NOT_FOUND", { what: "tenant" });
      }
      const record = (userId?: string) => putOnRecord(commands, request, asked, userId);
      if (request.body.dry_run === true) return count(commands, asked, record);
      const { content, ...wish } = asked;
      const caller = callerOf(request);
      const callId = callIdOf(request, caller, content);
      const call = { tenantId: caller.tenantId, name: `${callId}|${asked.after ?? ""}` };
      const once = (userId?: string) => recorded.once(call, () => record(userId));
      const deed = await calls.run(call.name, () =>
        deeds.do({
          ...wish,
          callId,
          actor: actorOf(caller, request, "ADMIN"),
          record: isRepeatable(request) ? once : record,
        }),
      );
      return answerDeed(commands, reply, deed);
    },
  );
  batchRoute(app, commands);
}

interface Asked {
  readonly tenantId: string;
  readonly filter: Filter;
  readonly plan: Plan;
  readonly reason: string;
  readonly after: string | null;
  /** By which a repetition is known. */
  readonly content: object;
}

function askedOf(request: FastifyRequest<Revoke>): Asked {
  const { filter: given, reason = REASON_DEFAULT, keep_session_id: kept, after } = request.body;
  const filter = filterOf(given);
  const plan = planOf(filter, kept ?? null);
  if (kept !== undefined && !(plan.kind === "user" && plan.target.kind === "all")) {
    const why = "is for all sessions of one user";
    throw new VigError("VIG_BODY_INVALID", { path: "keep_session_id", why });
  }
  if (after !== undefined && plan.kind !== "search") {
    throw new VigError("VIG_BODY_INVALID", { path: "after", why: "this filter has one page" });
  }
  const tenantId = filter.tenantId ?? callerOf(request).tenantId;
  const content = { filter: given, reason, ...(kept !== undefined && { kept }) };
  return { tenantId, filter, plan, reason, after: after ?? null, content };
}

function filterOf(given: AdminBody["filter"]): Filter {
  const channel = given.channel === undefined ? null : channelOf(given.channel);
  return {
    ...(given.tenant_id !== undefined && { tenantId: given.tenant_id }),
    ...(given.user_id !== undefined && { userId: given.user_id }),
    ...(given.session_id !== undefined && { sessionId: given.session_id }),
    ...(given.device_id !== undefined && { deviceId: given.device_id }),
    ...(channel !== null && { channel }),
    ...(given.org_id !== undefined && { orgId: given.org_id }),
    ...(given.role !== undefined && { role: given.role }),
    ...(given.country !== undefined && { country: given.country }),
  };
}

/** Another tenant is reached by epochs only, and by administrators of the platform only. */
function mayReach(
  { audit }: Commands,
  request: FastifyRequest,
  { tenantId, plan }: Asked,
): boolean {
  const caller = callerOf(request);
  if (tenantId === caller.tenantId) return true;
  if (plan.kind === "epoch" && caller.scopes.has(PLATFORM_SCOPE)) return true;
  audit.denied({ caller, request, payload: { fault: "VIG_NOT_FOUND" } });
  return false;
}

/** AUD-01: before anything is done, and before it is answered. Returns the broker's time of the record. */
async function putOnRecord(
  { audit }: Commands,
  request: FastifyRequest<Revoke>,
  { plan, filter }: Asked,
  userId = filter.userId,
): Promise<number> {
  const isCount = request.body.dry_run === true;
  const { recordedAtMs } = await audit.record({
    action: isCount ? "session.revoke_counted" : "session.revoke_requested",
    caller: callerOf(request),
    request,
    actorType: "ADMIN",
    subjectUserId: userId ?? null,
    payload: { acts_by: plan.kind, ...request.body },
  });
  return recordedAtMs;
}

async function count(commands: Commands, asked: Asked, record: () => Promise<number>) {
  const { tenantId, filter, plan } = asked;
  const stores = { database: databaseOf(commands), view: commands.view };
  await record();
  const kept =
    plan.kind === "user" && plan.target.kind === "all" ? plan.target.keepSessionId : null;
  const query = { tenantId, filter, kept, nowMs: commands.clock() };
  const counted = await countSessions(stores, query);
  const { sessions, users, isExact } = counted;
  return { status: "counted", acts_by: plan.kind, sessions, users, is_exact: isExact };
}

async function answerDeed(commands: Commands, reply: FastifyReply, deed: Deed) {
  if (deed.kind === "order") {
    const { order } = deed;
    return answerOrder(reply, order.commandId, await commands.commander.outcome(order));
  }
  if (deed.kind === "epoch") {
    const { epochId, notBeforeMs } = deed.decided;
    const { scope, value } = deed.scope;
    const isTold = await isEpochTold(commands, deed);
    reply.code(isTold ? 200 : 202);
    const status = isTold ? "done" : "pending";
    const not_before = new Date(notBeforeMs).toISOString();
    return { status, epoch_id: epochId, scope, value, not_before };
  }
  const { batchId, commands: sent, users, next } = deed.batch;
  reply.code(202).header("location", `/api/id/admin/batches/${batchId}`);
  return { status: "pending", batch_id: batchId, commands: sent, users, next };
}

/** Whether it lies on its topic, or a greater one of its scope does: that may wait as well. */
async function isEpochTold(
  { outcomes, commandWaitMs, database }: Commands,
  { decided, scope }: Extract<Deed, { kind: "epoch" }>,
): Promise<boolean> {
  const { epochId, isGreatest } = decided;
  if (isGreatest && (await outcomes.epochs.wait(epochId, commandWaitMs)) !== null) return true;
  // What this edge hears nothing of: a greater one, or what it heard of too long ago or before it began to listen.
  return database !== null && (await isEpochPublished(database, scope).catch(() => false));
}

const batchParams = strict({ id: id("batch_id of an answer") });

function batchRoute(app: FastifyInstance, commands: Commands): void {
  app.get<{ Params: Static<typeof batchParams> }>(
    "/api/id/admin/batches/:id",
    {
      schema: {
        tags: ["administration"],
        summary: "Tells how far the commands of a batch are",
        security,
        params: batchParams,
        response: { 200: batchStateSchema, ...problemResponses },
      },
      validatorCompiler: strictBody,
      config: { audit: counts },
      onRequest: [...admin(commands)],
    },
    async (request) => {
      const { id: batchId } = request.params;
      const { tenantId } = callerOf(request);
      const state = await readBatch(databaseOf(commands), tenantId, batchId);
      if (state === null) throw new VigError("VIG_NOT_FOUND", { what: "batch" });
      const { commands: sent, decided, terminated } = state;
      return { batch_id: batchId, commands: sent, decided, terminated_count: terminated };
    },
  );
}
