import { assert } from "@vigie/core/assert";
import { VigError } from "@vigie/core/errors";
import {
  type AvroField,
  type AvroRecord,
  type AvroSchema,
  isEnum,
  isRecord,
  isUnion,
  type NamedType,
  namedTypes,
} from "./contracts.ts";

type Named = ReadonlyMap<string, readonly NamedType[]>;

/**
 * The contract with only some of its fields, so that the rest is skipped when read.
 * Shape: names of top-level fields, or paths into records such as `network.ip`.
 * Throws: VIG_INVARIANT for a path that the contract does not have.
 */
export function project(schema: AvroRecord, paths: readonly string[]): AvroRecord {
  const named = namedTypes(schema);
  return inline(select(schema, paths, named), named, new Set()) as AvroRecord;
}

function select(record: AvroRecord, paths: readonly string[], named: Named): AvroRecord {
  const heads = new Set(paths.map((path) => path.split(".")[0] ?? ""));
  const fields = record.fields.filter((field) => heads.delete(field.name));
  const [unknown] = heads;
  if (unknown !== undefined) {
    throw new VigError("VIG_INVARIANT", { what: `${record.name} has a field ${unknown}` });
  }
  return { ...record, fields: fields.map((f) => narrow(f, innerPaths(paths, f.name), named)) };
}

/** The paths behind `head.`; empty when `head` itself is wanted whole. */
function innerPaths(paths: readonly string[], head: string): readonly string[] {
  if (paths.includes(head)) return [];
  const dotted = `${head}.`;
  return paths.filter((path) => path.startsWith(dotted)).map((path) => path.slice(dotted.length));
}

function narrow(field: AvroField, paths: readonly string[], named: Named): AvroField {
  if (paths.length === 0) return field;
  const narrowed = (schema: AvroSchema): AvroSchema => {
    const type = typeof schema === "string" ? (named.get(schema)?.[0] ?? schema) : schema;
    if (isRecord(type)) return select(type, paths, named);
    assert(type === "null", `${field.name} has fields`);
    return type;
  };
  return { ...field, type: isUnion(field.type) ? field.type.map(narrowed) : narrowed(field.type) };
}

/** Defines each named type where it is first met, wherever the contract defined it. */
function inline(schema: AvroSchema, named: Named, done: Set<string>): AvroSchema {
  if (typeof schema === "string") {
    const type = named.get(schema)?.[0];
    return type === undefined || done.has(schema) ? schema : inline(type, named, done);
  }
  if (isUnion(schema)) return schema.map((branch) => inline(branch, named, done));
  if (isRecord(schema) || isEnum(schema)) {
    if (done.has(schema.name)) return schema.name;
    done.add(schema.name);
    if (isEnum(schema)) return schema;
    const fields = schema.fields.map((f) => ({ ...f, type: inline(f.type, named, done) }));
    return { ...schema, fields };
  }
  return {
    ...schema,
    ...(schema.items === undefined ? {} : { items: inline(schema.items, named, done) }),
    ...(schema.values === undefined ? {} : { values: inline(schema.values, named, done) }),
  };
}
