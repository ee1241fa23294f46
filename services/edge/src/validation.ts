import { VigError } from "@vigie/core/errors";
import { Ajv, type ErrorObject } from "ajv";
import type { FastifyInstance } from "fastify";

/**
 * Judges queries and path parameters of the routes in `scope` strictly: text becomes a number where one is wanted,
 * and a name that nobody knows is a fault, since a filter with a typing error would find everything.
 */
export function judgeQueries(scope: FastifyInstance): void {
  const ajv = new Ajv({ coerceTypes: true, useDefaults: true, allErrors: true, strict: false });
  scope.setValidatorCompiler(({ schema }) => {
    const isValid = ajv.compile(schema as object);
    return (value: unknown) => {
      if (isValid(value)) return { value };
      const [fault] = isValid.errors ?? [];
      return { error: new VigError("VIG_QUERY_INVALID", faultOf(fault)) };
    };
  });
}

function faultOf(fault: ErrorObject | undefined): { path: string; why: string } {
  const unknown = fault?.params.additionalProperty as string | undefined;
  const path = unknown ?? (fault?.instancePath ?? "").slice(1).replaceAll("/", ".");
  const why = unknown === undefined ? (fault?.message ?? "does not fit") : "is no parameter";
  return { path: path.slice(0, 64) || "query", why };
}
