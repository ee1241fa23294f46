import { policySchema } from "@vigie/core/policy";
import { problemResponses, problems } from "@vigie/service-kit/http/problem-responses";
import { Type } from "typebox";

const common = {
  tags: ["administration"],
  security: [{ bearer: [] }],
};

const query = Type.Object(
  {
    tenant: Type.Optional(
      Type.String({
        pattern: "^(\\*|[A-Za-z0-9._-]{1,64})$",
        description: "another tenant, or * for the default of all; needs platform:admin",
      }),
    ),
  },
  { additionalProperties: false },
);

const document = Type.Unsafe<object>({ type: "object", additionalProperties: true });

const answerSchema = Type.Object(
  {
    tenant_id: Type.String(),
    version: Type.Integer({ description: "of the tenant's own document, as in ETag; 0: none yet" }),
    default_version: Type.Integer({ description: "of the default of all; 0: none yet" }),
    updated_at: Type.Union([Type.String(), Type.Null()]),
    updated_by: Type.Union([Type.String(), Type.Null()]),
    document: Type.Unsafe<object>({ ...document, description: "own: only what differs" }),
    effective: Type.Unsafe<object>({
      ...document,
      description: "own over the default of all over the built-in one",
    }),
  },
  { description: "the session policy of a tenant; ETag is its version" },
);

export const readRoute = {
  ...common,
  summary: "The session policy of a tenant",
  querystring: query,
  response: { 200: answerSchema, ...problemResponses, ...problems(404) },
};

const { $schema: _, $id: __, ...described } = policySchema();

export const changeRoute = {
  ...common,
  summary: "Replaces a tenant's own document",
  description:
    "Needs If-Match with the ETag of what was read. In force in every processor within a second; an empty object goes back to the default.",
  querystring: query,
  headers: Type.Object({
    "if-match": Type.Optional(Type.String({ description: "ETag of the last read" })),
  }),
  body: described,
  response: {
    200: answerSchema,
    ...problemResponses,
    ...problems(404, 412, 428),
  },
};

export const schemaRoute = {
  ...common,
  summary: "The JSON Schema of a policy document",
  response: { 200: document, ...problemResponses },
};
