import { readdirSync, readFileSync } from "node:fs";

/** An Avro schema as JSON, as far as the contracts use it. */
export type AvroSchema = string | readonly AvroSchema[] | AvroRecord | AvroEnum | AvroOther;

export interface AvroField {
  readonly name: string;
  readonly type: AvroSchema;
  readonly doc?: string;
  readonly default?: unknown;
}

export interface AvroRecord {
  readonly type: "record";
  readonly name: string;
  readonly namespace?: string;
  readonly doc?: string;
  readonly fields: readonly AvroField[];
}

export interface AvroEnum {
  readonly type: "enum";
  readonly name: string;
  readonly doc?: string;
  readonly symbols: readonly string[];
  readonly default?: string;
}

export interface AvroOther {
  readonly type: "array" | "map" | "long" | "int" | "string";
  readonly items?: AvroSchema;
  readonly values?: AvroSchema;
  readonly logicalType?: string;
}

export interface Contract {
  /** Catalogue name of the topic. */
  readonly topic: string;
  /** The schema as the file holds it: what is registered. */
  readonly text: string;
  readonly schema: AvroRecord;
}

const folder = new URL("../avro/", import.meta.url);

/** The contracts of schemas/avro, or of another folder of the same form, by topic. */
export function loadContracts(from: URL = folder): ReadonlyMap<string, Contract> {
  const files = readdirSync(from).filter((name) => name.endsWith(".avsc"));
  return new Map(
    files.sort().map((name) => {
      const topic = name.slice(0, -".avsc".length);
      const text = readFileSync(new URL(name, from), "utf8");
      return [topic, { topic, text, schema: JSON.parse(text) as AvroRecord }];
    }),
  );
}

export const isRecord = (schema: AvroSchema): schema is AvroRecord =>
  typeof schema === "object" && !Array.isArray(schema) && (schema as AvroRecord).type === "record";

export const isTime = (schema: AvroSchema): boolean =>
  typeof schema === "object" &&
  "logicalType" in schema &&
  schema.logicalType === "timestamp-millis";

export const isEnum = (schema: AvroSchema): schema is AvroEnum =>
  typeof schema === "object" && !Array.isArray(schema) && (schema as AvroEnum).type === "enum";

export const isUnion = (schema: AvroSchema): schema is readonly AvroSchema[] =>
  Array.isArray(schema);

/** The branch of a union of null and one other; any other schema as it is. */
export function nonNull(schema: AvroSchema): AvroSchema {
  if (!isUnion(schema)) return schema;
  const rest = schema.filter((branch) => branch !== "null");
  return rest.length === 1 ? (rest[0] as AvroSchema) : schema;
}

export type NamedType = AvroRecord | AvroEnum;

/** The records and enums that a schema defines, by name, outermost first. */
export function namedTypes(
  schema: AvroSchema,
  into: Map<string, NamedType[]> = new Map(),
): ReadonlyMap<string, readonly NamedType[]> {
  if (typeof schema === "string") return into;
  if (isUnion(schema)) {
    for (const branch of schema) namedTypes(branch, into);
  } else if (isRecord(schema) || isEnum(schema)) {
    into.set(schema.name, [...(into.get(schema.name) ?? []), schema]);
    if (isRecord(schema)) for (const field of schema.fields) namedTypes(field.type, into);
  } else {
    if (schema.items !== undefined) namedTypes(schema.items, into);
    if (schema.values !== undefined) namedTypes(schema.values, into);
  }
  return into;
}
