import { VigError } from "@vigie/core/errors";
import { _, Ajv, type ErrorObject, str } from "ajv";
import type { FastifySchemaCompiler } from "fastify";

/**
 * Makes `maxLength` count units of UTF-16, as contracts count them: what is taken here, Kafka's readers take. It is judged
 * before any pattern, which would read the whole of a text that is too long.
 */
export const countsUnits = (ajv: Ajv): Ajv =>
  ajv.removeKeyword("maxLength").addKeyword({
    keyword: "maxLength",
    before: "minLength",
    type: "string",
    schemaType: "number",
    error: { message: ({ schemaCode }) => str`must NOT have more than ${schemaCode} characters` },
    code: (context) => context.fail(_`${context.data}.length > ${context.schemaCode}`),
  });

const common = { useDefaults: true, strict: false } as const;

/**
 * Judges bodies and path parameters as they are: nothing is turned into another type, and a member that nobody knows
 * is a fault, since a filter with a typing error would mean more than was meant.
 */
export const strictBody = strictly(countsUnits(new Ajv(common)), "VIG_BODY_INVALID", "body");

/** The same for queries, whose values are all text: one becomes a number or a boolean where that is wanted. */
export const strictQuery = strictly(
  countsUnits(new Ajv({ ...common, coerceTypes: true })),
  "VIG_QUERY_INVALID",
  "query",
);

function strictly(
  ajv: Ajv,
  code: "VIG_BODY_INVALID" | "VIG_QUERY_INVALID",
  whole: string,
): FastifySchemaCompiler<unknown> {
  return ({ schema }) => {
    const isValid = ajv.compile(schema as object);
    return (value: unknown) => {
      if (isValid(value)) return { value };
      const [fault] = isValid.errors ?? [];
      return { error: new VigError(code, faultOf(fault, whole)) };
    };
  };
}

/** Source: longer names are a client's nonsense, of no use in an answer. */
const PATH_MAX_LENGTH = 64;

function faultOf(fault: ErrorObject | undefined, whole: string): { path: string; why: string } {
  const unknown = fault?.params.additionalProperty as string | undefined;
  const parts = (fault?.instancePath ?? "").split("/").slice(1);
  const path = (unknown === undefined ? parts : [...parts, unknown]).join(".");
  const why = unknown === undefined ? (fault?.message ?? "does not fit") : "is not known";
  return { path: path.slice(0, PATH_MAX_LENGTH) || whole, why };
}
