import { assert } from "@vigie/core/assert";
import { isTopicName, type TopicName } from "./catalogue.ts";
import { contractOf } from "./codec-core.ts";
import { type Constraint, constraints, kindFields, required, TIME_MAX_MS } from "./constraints.ts";
import {
  type AvroField,
  type AvroRecord,
  type AvroSchema,
  isEnum,
  isRecord,
  isTime,
  isUnion,
  namedTypes,
  nonNull,
} from "./contracts.ts";

/** A JSON Schema, draft 2020-12, as a plain object. */
export type JsonSchema = { readonly [keyword: string]: unknown };

export interface BodyOptions {
  /** Fields that a body must not name. Default: none. */
  readonly omit?: readonly string[];
  /**
   * Fields that a body may leave out though the contract wants them, because the edge fills them in.
   * Default: event_id, for which the edge makes a UUID, and tenant_id, which the token gives.
   */
  readonly optional?: readonly string[];
}

/** Source: Avro specification, int. */
const INT_MIN = -(2 ** 31);
const INT_MAX = 2 ** 31 - 1;

/**
 * The body of an HTTP request that carries one value of a contract. Whatever the contract has a default for may be
 * left out and gets it (`default`); nothing else may be added; UNKNOWN is no word that a client may use
 * where the contract does not start from it.
 * Lengths are counted in code points here and in UTF-16 units by `checkEvent`, which judges every value after this.
 */
export function bodySchema(topic: TopicName, options: BodyOptions = {}): JsonSchema {
  const { schema } = contractOf(topic);
  const { omit = [], optional = ["event_id", "tenant_id"] } = options;
  const types = (name: string): AvroSchema | undefined => namedTypes(schema).get(name)?.[0];
  const body = ofRecord(schema, types, { omit, optional });
  return { $id: `vigie:${topic}`, title: schema.name, ...body };
}

/** The bodies of all event topics by the last word of their name: login, heartbeat, mfa, geo. */
export function eventBodySchemas(options: BodyOptions = {}): Readonly<Record<string, JsonSchema>> {
  const names = ["login", "heartbeat", "mfa", "geo"];
  return Object.fromEntries(
    names.flatMap((name) => {
      const topic = `id.${name}`;
      return isTopicName(topic) ? [[name, bodySchema(topic, options)]] : [];
    }),
  );
}

type Resolve = (name: string) => AvroSchema | undefined;

function ofRecord(record: AvroRecord, types: Resolve, options: Required<BodyOptions>): JsonSchema {
  const fields = record.fields.filter((field) => !options.omit.includes(field.name));
  const conditions = conditionsOf(record);
  return {
    type: "object",
    ...(record.doc === undefined ? {} : { description: record.doc }),
    additionalProperties: false,
    required: fields
      .filter((field) => !("default" in field) && !options.optional.includes(field.name))
      .map((field) => field.name),
    properties: Object.fromEntries(
      fields.map((field) => [field.name, ofField(record, field, types)]),
    ),
    ...(conditions.length === 0 ? {} : { allOf: conditions }),
  };
}

function ofField(record: AvroRecord, field: AvroField, types: Resolve): JsonSchema {
  const described = field.doc === undefined ? {} : { description: field.doc };
  const byDefault = "default" in field ? { default: field.default } : {};
  const constraint = constraints[record.name]?.[field.name];
  const schema: JsonSchema = { ...ofType(nonNull(field.type), types), ...ofConstraint(constraint) };
  // A validator checks the defaults that it fills in, so this UNKNOWN is a word after all.
  const words = schema.enum;
  if (Array.isArray(words) && field.default === "UNKNOWN") {
    return { ...described, ...schema, enum: [...words, "UNKNOWN"], ...byDefault };
  }
  if (!isUnion(field.type)) return { ...described, ...schema, ...byDefault };
  return { ...described, ...nullable(schema), ...byDefault };
}

/** Not `anyOf`: validators do not fill in defaults in there. */
const nullable = (schema: JsonSchema): JsonSchema => ({
  ...schema,
  type: [schema.type, "null"],
  ...(Array.isArray(schema.enum) ? { enum: [...schema.enum, null] } : {}),
});

function ofType(schema: AvroSchema, types: Resolve): JsonSchema {
  if (typeof schema === "string") {
    const named = types(schema);
    return named === undefined ? ofScalar(schema) : ofType(named, types);
  }
  assert(!isUnion(schema), "a union of a contract is one type or null");
  if (isRecord(schema)) return ofRecord(schema, types, { omit: [], optional: [] });
  if (isEnum(schema)) {
    return { type: "string", enum: schema.symbols.filter((symbol) => symbol !== "UNKNOWN") };
  }
  if (schema.type === "array")
    return { type: "array", items: ofType(schema.items ?? "null", types) };
  if (schema.type === "map") {
    return { type: "object", additionalProperties: ofType(schema.values ?? "null", types) };
  }
  if (isTime(schema)) return { type: "integer", minimum: 0, maximum: TIME_MAX_MS };
  return ofScalar(schema.type);
}

function ofScalar(name: string): JsonSchema {
  if (name === "int") return { type: "integer", minimum: INT_MIN, maximum: INT_MAX };
  if (name === "long") {
    return {
      type: "integer",
      minimum: Number.MIN_SAFE_INTEGER,
      maximum: Number.MAX_SAFE_INTEGER,
    };
  }
  if (name === "double" || name === "float") return { type: "number" };
  return { type: name };
}

function ofConstraint(constraint: Constraint | undefined): JsonSchema {
  if (constraint === undefined) return {};
  if (constraint.kind === "number") {
    const { min, max } = constraint;
    return { minimum: min, ...(max === Number.MAX_VALUE ? {} : { maximum: max }) };
  }
  if (constraint.kind === "texts") {
    const items = { type: "string", ...ofConstraint(constraint.each) };
    return { maxItems: constraint.maxItems, items };
  }
  return { maxLength: constraint.maxLength, pattern: constraint.pattern.source };
}

/** What a kind needs, as if/then. */
function conditionsOf(record: AvroRecord): readonly JsonSchema[] {
  const kindField = kindFields[record.name];
  if (kindField === undefined) return [];
  return Object.entries(required[record.name] ?? {}).map(([kind, fields]) => ({
    if: { type: "object", required: [kindField], properties: { [kindField]: { const: kind } } },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: {
      required: fields,
      properties: Object.fromEntries(fields.map((field) => [field, { not: { type: "null" } }])),
    },
  }));
}
