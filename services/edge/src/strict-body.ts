import { VigError } from "@vigie/core/errors";
import { Ajv, type ErrorObject } from "ajv";
import type { FastifySchemaCompiler } from "fastify";

const ajv = new Ajv({ useDefaults: true, strict: false });

/**
 * Judges bodies and path parameters as they are: nothing is turned into another type, and a member that nobody knows
 * is a fault, since a filter with a typing error would mean more than was meant.
 */
export const strictBody: FastifySchemaCompiler<unknown> = ({ schema }) => {
  const isValid = ajv.compile(schema as object);
  return (value: unknown) => {
    if (isValid(value)) return { value };
    const [fault] = isValid.errors ?? [];
    return { error: new VigError("VIG_BODY_INVALID", faultOf(fault)) };
  };
};

/** Source: longer names are a client's nonsense, of no use in an answer. */
const PATH_MAX_LENGTH = 64;

function faultOf(fault: ErrorObject | undefined): { path: string; why: string } {
  const unknown = fault?.params.additionalProperty as string | undefined;
  const parts = (fault?.instancePath ?? "").split("/").slice(1);
  const path = (unknown === undefined ? parts : [...parts, unknown]).join(".");
  const why = unknown === undefined ? (fault?.message ?? "does not fit") : "is not known";
  return { path: path.slice(0, PATH_MAX_LENGTH) || "body", why };
}
