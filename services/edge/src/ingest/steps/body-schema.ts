import { bodySchema, type JsonSchema } from "@vigie/schemas/json-schema";
import type { Fault } from "@vigie/service-kit/http/problem";
import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js";
import { type EventTopic, timeFieldsOf } from "./event-types.ts";

/** Every fault of a value's shape against its contract, or null. Ranges are `checkEvent`'s matter. */
export type Validate = (value: unknown) => readonly Fault[] | null;

/** The body as the API description shows it: times may also be text, and services alone must name the user. */
export function describedBodyOf(topic: EventTopic): JsonSchema {
  const { $id: _, properties, ...rest } = bodySchema(topic);
  const described = { ...(properties as Record<string, JsonSchema>) };
  for (const name of timeFieldsOf(topic)) {
    const field = described[name];
    if (field !== undefined) described[name] = timeAsText(field);
  }
  return { ...rest, properties: described };
}

function timeAsText(field: JsonSchema): JsonSchema {
  const type = [...new Set([field.type, "string"].flat())];
  return { ...field, type, format: "date-time" };
}

/** What checkEvent judges as well, with one wording for bodies and records; twice would cost twice. */
const judgedElsewhere = new Set(["pattern", "maxLength", "maxItems", "allOf", "$id"]);

function shapeOnly(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(shapeOnly);
  if (typeof schema !== "object" || schema === null) return schema;
  const kept = Object.entries(schema).filter(([keyword]) => !judgedElsewhere.has(keyword));
  return Object.fromEntries(kept.map(([keyword, part]) => [keyword, shapeOnly(part)]));
}

// A body without a fault costs the same with allErrors; one with faults is bounded by its bytes.
const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true });

const validators = new Map<EventTopic, Validate>();

/** Compiled once: a contract does not change while its process lives. */
export function bodyValidator(topic: EventTopic): Validate {
  const known = validators.get(topic);
  if (known !== undefined) return known;
  const made = compiled(topic);
  validators.set(topic, made);
  return made;
}

function compiled(topic: EventTopic): Validate {
  const validate = ajv.compile(shapeOnly(bodySchema(topic)) as JsonSchema);
  return (value) => (validate(value) ? null : faultsOf(validate.errors ?? []));
}

/** A value of the wrong type is none of the right words either: said once is enough. */
function faultsOf(errors: readonly ErrorObject[]): readonly Fault[] {
  const faults = new Map<string, Fault>();
  for (const error of errors) {
    const fault = faultOf(error);
    if (!faults.has(fault.path)) faults.set(fault.path, fault);
  }
  return [...faults.values()];
}

/** /device/fingerprint → device.fingerprint, with what is missing or unknown below it. */
function faultOf(error: ErrorObject): Fault {
  const { instancePath, keyword, params } = error;
  const parts = instancePath.split("/").slice(1).map(unescapePointer);
  if (keyword === "required") parts.push(String(params.missingProperty));
  if (keyword === "additionalProperties") parts.push(String(params.additionalProperty));
  return { path: cut(parts.join(".")) || "body", why: wording(error) };
}

/** Source: RFC 6901. */
const unescapePointer = (part: string): string => part.replaceAll("~1", "/").replaceAll("~0", "~");

/** A name that a client made up may be as long as its body. */
const PATH_LENGTH_MAX = 200;
const cut = (path: string): string => path.slice(0, PATH_LENGTH_MAX).toWellFormed();

function wording({ keyword, params, message }: ErrorObject): string {
  if (keyword === "required") return "is missing";
  if (keyword === "additionalProperties") return "is not a field of this contract";
  if (keyword === "type") return `is no ${[params.type].flat().join(" or ")}`;
  if (keyword === "enum") return `is none of ${wordsOf(params.allowedValues)}`;
  return (message ?? "is not valid").replace(/^must be/, "is not");
}

const wordsOf = (values: unknown): string => (Array.isArray(values) ? values.join(", ") : "");
