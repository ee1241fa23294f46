import { SessionName } from "@vigie/core/keys";
import { actorOf } from "@vigie/service-kit/audit-trail/actor";
import { callerOf, person, schemasKnown } from "@vigie/service-kit/http/access";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import { strictBody } from "@vigie/service-kit/http/strict-body";
import { nameUuid, tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import type { Database } from "@vigie/service-kit/postgres/database";
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { callIdOf } from "./call.ts";
import type { Commands } from "./commands.ts";
import { databaseOf } from "./known-ids.ts";
import { asksNothingSpecial, revokedBySessions } from "./own-sessions.ts";
import { strict } from "./schemas.ts";

const cleanedSchema = Type.Object({
  cleaned_count: Type.Integer({ description: "sessions past their end, now on record as ended" }),
  pending_count: Type.Integer({ description: "sessions whose end is on its way to the record" }),
});

/** Source: more live sessions than any policy lets one person have (100). */
const SESSIONS_MAX = 100;

const OVERDUE = `
  select session_key from user_sessions
   where tenant_id = $1 and user_id = $2 and is_active and status = 'ACTIVE'
     and expires_at <= $3::timestamp
   order by created_at desc, id desc limit ${SESSIONS_MAX}`;

const REASON = "cleanup_expired";

/**
 * SES-20, CNF-29: the caller's sessions that are past their end and not yet on record as ended. They count for nobody
 * any more, and the processor records their end by itself within a minute; this only makes it do so now.
 */
export function cleanUpRoute(app: FastifyInstance, commands: Commands): void {
  app.route({
    method: "POST",
    url: "/api/v1/users/me/sessions/cleanup-expired",
    schema: {
      tags: ["own sessions"],
      summary: "Puts own sessions that have run out on record as ended",
      security: [{ bearer: [] }],
      body: strict({}),
      response: { 200: cleanedSchema, ...problemResponses },
    },
    validatorCompiler: strictBody,
    config: { audit: revokedBySessions },
    onRequest: [schemasKnown(commands), ...person(commands)],
    preValidation: asksNothingSpecial,
    async handler(request) {
      const caller = callerOf(request);
      const { tenantId, subject: userId } = caller;
      const callId = callIdOf(request, caller, { kind: REASON });
      const overdue = await overdueOf(databaseOf(commands), tenantId, userId, commands.clock());
      const over = await Promise.all(
        overdue.map((sessionId) =>
          commands.view.resolve(new SessionName(tenantId, userId, sessionId)),
        ),
      );
      // Outages and policies may have moved the end that a row tells: who still lives is left alone.
      const ended = overdue.filter((_, at) => over[at]?.kind === "ended");
      const results = await Promise.all(
        ended.map(async (sessionId) => {
          const order = {
            commandId: nameUuid(tenantId, "command", `${callId}|${sessionId}`),
            batchId: callId,
            tenantId,
            userId,
            target: { kind: "session", sessionId } as const,
            reason: REASON,
            actor: actorOf(caller, request, "USER"),
          };
          await commands.commander.send(order);
          return commands.commander.outcome(order);
        }),
      );
      const cleaned = results.filter((result) => result !== null).length;
      return { cleaned_count: cleaned, pending_count: results.length - cleaned };
    },
  });
}

async function overdueOf(
  database: Database,
  tenantId: string,
  userId: string,
  nowMs: number,
): Promise<readonly string[]> {
  const values = [
    tenantUuid(tenantId),
    uuidOf(tenantId, "user", userId),
    new Date(nowMs).toISOString(),
  ];
  const { rows } = await database.inTenant(tenantId, (tx) =>
    tx.query<{ readonly session_key: string }>(OVERDUE, values),
  );
  return rows.map(({ session_key }) => session_key);
}
