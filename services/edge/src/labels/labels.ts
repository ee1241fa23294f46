import { VigError } from "@vigie/core/errors";
import type { AnomalyLabel } from "@vigie/schemas/types";
import { actorRefOf } from "@vigie/service-kit/audit-trail/actor";
import { beforeAnswer } from "@vigie/service-kit/audit-trail/declared";
import { admin, callerOf, schemasKnown } from "@vigie/service-kit/http/access";
import { problemResponses, problems } from "@vigie/service-kit/http/problem-responses";
import { strictBody } from "@vigie/service-kit/http/strict-body";
import type { FastifyInstance } from "fastify";
import { type Static, Type } from "typebox";
import { databaseOf } from "../commands/known-ids.ts";
import { id, strict } from "../commands/schemas.ts";
import type { EdgeContext } from "../context.ts";
import { labelSchema } from "../inventory/answers.ts";
import { createVerdictBook, type Verdict } from "./verdict-book.ts";

const params = strict({ id: id("anomaly_id as lists show it") });
const body = strict({
  label: labelSchema,
  note: Type.Optional(
    Type.String({
      minLength: 1,
      // Source: a paragraph; the column that takes it.
      maxLength: 1_000,
      // Line breaks and tabs are text.
      pattern: "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f]+$",
      description: "why; name nobody",
    }),
  ),
});
const answer = Type.Object({
  anomaly_id: Type.String(),
  label: labelSchema,
  labelled_at: Type.String({ format: "date-time" }),
});

interface Route {
  readonly Params: Static<typeof params>;
  readonly Body: Static<typeof body>;
}

/** RMP-02: what a person found an anomaly to be. */
export function labels(app: FastifyInstance, context: EdgeContext): void {
  const encoder = context.codecs.encoder<AnomalyLabel>("id.anomaly.label");
  app.post<Route>(
    "/api/id/admin/anomalies/:id/label",
    {
      schema: {
        tags: ["administration"],
        summary: "Keeps what a person found an anomaly to be",
        description: "Every verdict is kept, the newest one counts.",
        security: [{ bearer: [] }],
        params,
        body,
        response: { 200: answer, ...problemResponses, ...problems(404) },
      },
      validatorCompiler: strictBody,
      config: { audit: beforeAnswer("anomaly.label_requested") },
      onRequest: [schemasKnown(context), ...admin(context)],
    },
    async (request) => {
      const caller = callerOf(request);
      const { label, note = null } = request.body;
      const book = createVerdictBook(databaseOf(context), encoder);
      const anomaly = await book.find(caller.tenantId, request.params.id);
      if (anomaly === null) throw noAnomaly();
      await context.audit.record({
        action: "anomaly.label_requested",
        caller,
        request,
        actorType: "ADMIN",
        subjectUserId: anomaly.userId,
        // Nothing is ever erased from the audit: a note stays outside.
        payload: { anomaly_id: anomaly.anomalyId, label },
      });
      const labelledAtMs = await book.add(anomaly, {
        label: label.toUpperCase() as Verdict["label"],
        note,
        actor: actorRefOf(caller, request, "ADMIN"),
        nowMs: context.clock(),
      });
      if (labelledAtMs === null) throw noAnomaly();
      const labelled_at = new Date(labelledAtMs).toISOString();
      return { anomaly_id: anomaly.anomalyId, label, labelled_at };
    },
  );
}

const noAnomaly = (): VigError => new VigError("VIG_NOT_FOUND", { what: "anomaly" });
