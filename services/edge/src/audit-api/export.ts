import { Readable } from "node:stream";
import { exportLines } from "@vigie/service-kit/audit/export";
import { beforeAnswer } from "@vigie/service-kit/audit-trail/declared";
import { auditor, callerOf } from "@vigie/service-kit/http/access";
import { problemResponses, problems } from "@vigie/service-kit/http/problem-responses";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type Static, Type } from "typebox";
import type { EdgeContext } from "../context.ts";
import type { AuditLog } from "./audit-log.ts";
import { askedOf, exportQuery } from "./queries.ts";
import { reachOf } from "./reach.ts";
import { logOf, putOnRecord } from "./reading.ts";
import { RunningExports, unlessStalled } from "./running-exports.ts";

/** AUD-08: the log, or the part of it that a tenant may see, for an auditor who trusts nobody. */
export function exportRoute(app: FastifyInstance, context: EdgeContext): void {
  const running = new RunningExports(context.exportLimits.runningMax);
  app.addHook("preClose", (done) => {
    running.breakOff();
    done();
  });
  app.get<{ Querystring: Static<typeof exportQuery> }>("/api/id/admin/audit/export", {
    schema: {
      tags: ["audit"],
      summary: "Leaves with their proofs, as NDJSON",
      description:
        "Put on record before the first byte (audit.exported). The first line holds the checkpoint, `progress` lines tell how far it is, the last one is `end`: without it the export is incomplete.",
      security: [{ bearer: [] }],
      querystring: exportQuery,
      response: {
        200: {
          description: "docs/audit-format.md",
          content: { "application/x-ndjson": { schema: Type.String() } },
        },
        ...problemResponses,
        ...problems(404),
      },
    },
    // Its answer would be made whole and thrown away.
    exposeHeadRoute: false,
    config: { audit: beforeAnswer("audit.exported") },
    onRequest: [...auditor(context)],
    async handler(request, reply) {
      const caller = callerOf(request).limitKey;
      const broken = running.begin(caller);
      try {
        const stream = await streamOf(request, context, broken.signal);
        stream.once("close", () => running.end(caller));
        return await answer(reply, stream);
      } catch (error) {
        running.end(caller);
        throw error;
      }
    },
  });
}

async function streamOf(
  request: FastifyRequest<{ Querystring: Static<typeof exportQuery> }>,
  context: EdgeContext,
  signal: AbortSignal,
): Promise<Readable> {
  const log = logOf(context);
  const reach = reachOf(request, context);
  const own = callerOf(request).tenantId;
  const { filter, told, person } = await askedOf(log, { reach, own }, request.query);
  const { witnessed: isWitnessed = false } = request.query;
  const tree = await log.signedTree({ tenant: reach, isWitnessed });
  const boxes = log.canOpen ? (request.query.boxes ?? "opened") : "sealed";
  // Once lines have gone out, no problem can be answered any more: so the tables are tried first.
  await tried(log, reach, tree.size);
  await putOnRecord(context, request, {
    action: "audit.exported",
    person,
    payload: { filter: told, boxes, tree_size: tree.size },
  });
  const lines = exportLines(log, { tree, filter, boxes });
  const stream: Readable = Readable.from(
    unlessStalled(lines, context.exportLimits.stallMs, () => stream.destroy()),
  );
  const breakOff = (): unknown => stream.destroy();
  if (signal.aborted) breakOff();
  else signal.addEventListener("abort", breakOff, { once: true });
  return stream;
}

const tried = (log: AuditLog, tenant: string | null, until: number): Promise<unknown> =>
  log.leaves({ tenant, from: 0, until, limit: 1 });

const answer = (reply: FastifyReply, stream: Readable): FastifyReply =>
  reply
    .type("application/x-ndjson; charset=utf-8")
    .header("content-disposition", 'attachment; filename="audit.ndjson"')
    .send(stream);
