import SerializerSelector from "@fastify/fast-json-stringify-compiler";
import type { FastifySerializerCompiler } from "fastify";

const compile = SerializerSelector()({}, {});
const compiled = new WeakMap<object, SerializerSelector.Serializer>();

/**
 * Makes a schema a serializer once, however many routes answer with it: of some five hundred responses of the edge
 * most are the same problem document, and to compile each was half of its start.
 */
export const serializerOf: FastifySerializerCompiler<object> = (route) => {
  const known = compiled.get(route.schema);
  if (known !== undefined) return known;
  const made = compile({ httpStatus: "default", ...route });
  compiled.set(route.schema, made);
  return made;
};
