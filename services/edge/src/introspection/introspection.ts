import { nothing } from "@vigie/service-kit/audit-trail/declared";
import { callerOf, scoped } from "@vigie/service-kit/http/access";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import { strictBody } from "@vigie/service-kit/http/strict-body";
import type { FastifyInstance } from "fastify";
import type { EdgeContext } from "../context.ts";
import { FORM_MAX_BYTES, takeForms } from "./form-body.ts";
import { introspect } from "./introspect.ts";
import { askedSchema, introspectionSchema } from "./schemas.ts";

/** SUB-02: how enforcement points ask whether a token still counts; they can change nothing with it. */
export function introspection(scope: FastifyInstance, context: EdgeContext): void {
  const { auth, view } = context;
  const parts = { verifier: auth.verifier, view };
  takeForms(scope);
  scope.route<{ Body: { readonly token: string } }>({
    method: "POST",
    url: "/oauth2/introspect",
    bodyLimit: FORM_MAX_BYTES,
    // Asked by services, never by a page in a browser.
    config: {
      cors: false,
      audit: nothing("tells of a token what its bearer may know, and whether it counts"),
    },
    schema: {
      tags: ["introspection"],
      summary: "Whether a token counts now",
      description:
        "RFC 7662. Asked of Redis, else PostgreSQL; a revocation or an epoch beats both. 503 when nobody can tell.",
      security: [{ bearer: [] }],
      consumes: ["application/x-www-form-urlencoded"],
      body: askedSchema,
      response: { 200: introspectionSchema, ...problemResponses },
    },
    onRequest: [...scoped("id:introspect", context)],
    validatorCompiler: strictBody,
    handler: (request) => introspect(request.body.token, callerOf(request), parts),
  });
}
