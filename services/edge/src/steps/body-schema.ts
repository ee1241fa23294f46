import { contractOf } from "@vigie/schemas/codec-core";
import { type AvroSchema, isEnum, isRecord, isUnion } from "@vigie/schemas/contracts";
import type { Fault } from "@vigie/service-kit/http/problem";
import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js";
import type { EventTopic } from "./event-types.ts";

/** Every fault of a body against its contract's types, or null. */
export type Validate = (body: unknown) => readonly Fault[] | null;

export function bodySchemaOf(topic: EventTopic): object {
  return jsonOf(contractOf(topic).schema);
}

function jsonOf(schema: AvroSchema): { type?: unknown } {
  if (typeof schema === "string")
    return { type: { double: "number", int: "integer" }[schema] ?? schema };
  if (isUnion(schema)) {
    const inner = jsonOf(schema[1] as AvroSchema);
    return "enum" in inner ? inner : { ...inner, type: [inner.type, "null"].flat() };
  }
  if (isEnum(schema)) return { type: "string", enum: schema.symbols } as object;
  if (isRecord(schema)) {
    return {
      type: "object",
      additionalProperties: false,
      required: schema.fields.filter((f) => f.default === undefined).map((f) => f.name),
      properties: Object.fromEntries(schema.fields.map((f) => [f.name, jsonOf(f.type)])),
    } as object;
  }
  const other = schema as { type: string; items?: AvroSchema; values?: AvroSchema };
  if (other.type === "array")
    return { type: "array", items: jsonOf(other.items ?? "string") } as object;
  if (other.type === "map")
    return { type: "object", additionalProperties: jsonOf(other.values ?? "string") } as object;
  if (other.type === "long") return { type: ["integer", "string"] };
  return { type: other.type };
}

const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true });

export function bodyValidator(topic: EventTopic): Validate {
  const validate = ajv.compile(bodySchemaOf(topic));
  return (body) => (validate(body) ? null : (validate.errors ?? []).map(faultOf));
}

/** /device/fingerprint → device.fingerprint, with what is missing or unknown below it. */
function faultOf({ instancePath, keyword, params, message }: ErrorObject): Fault {
  const parts = instancePath.split("/").slice(1).map(unescapePointer);
  if (keyword === "required") parts.push(String(params.missingProperty));
  if (keyword === "additionalProperties") parts.push(String(params.additionalProperty));
  return { path: parts.join(".") || "body", why: wording(keyword, message) };
}

/** Source: RFC 6901. */
const unescapePointer = (part: string): string => part.replaceAll("~1", "/").replaceAll("~0", "~");

function wording(keyword: string, message: string | undefined): string {
  if (keyword === "required") return "is missing";
  if (keyword === "additionalProperties") return "is not a field of this contract";
  return message ?? "is not valid";
}
