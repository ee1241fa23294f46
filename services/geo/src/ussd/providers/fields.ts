import { VigError } from "@vigie/core/errors";
import type { UssdInput } from "../callback.ts";
import type { RawCallback } from "./provider.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** Source: ids of the providers have 32 to 70 characters; what is stored has room for 128. */
const SESSION_ID = /^[\x21-\x7e]{1,128}$/;
/** Source: ITU-T E.164, 15 digits at most. */
const PHONE = /^\+?([1-9]\d{6,14})$/;
/** Source: 3GPP TS 22.090 section 5: a code begins with `*` or `#` and ends with `#`; a voice number is E.164. */
const SERVICE_CODE = /^([*#]\d{1,8}(\*\d{1,10})*#|\+?[1-9]\d{6,14})$/;
/** Source: 182 characters of a USSD string (3GPP TS 23.038), a session's worth of them. */
const TEXT_MAX = 1_024;

const invalid = (path: string, why: string): VigError =>
  new VigError("VIG_BODY_INVALID", { path, why });

/** The members of a JSON object or of a form. Throws: VIG_BODY_INVALID. */
export function fieldsOf({ mediaType, body }: Pick<RawCallback, "mediaType" | "body">): Fields {
  const text = body.toString("utf8");
  return mediaType === "json" ? jsonFields(text) : formFields(text);
}

function jsonFields(text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Without the cause: it quotes the body.
    throw invalid("body", "is not JSON");
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw invalid("body", "is no JSON object");
}

/** A parameter that comes twice is refused: two readers could take different ones. */
function formFields(text: string): Readonly<Record<string, string>> {
  const fields: Record<string, string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(text)) {
    if (name in fields) throw invalid(name.slice(0, 64), "is given more than once");
    fields[name] = value;
  }
  return fields;
}

/** The text under a name, empty when it is missing or null. Throws: VIG_BODY_INVALID. */
export function textOf(fields: Fields, name: string): string {
  const value = Object.hasOwn(fields, name) ? fields[name] : null;
  if (value === null || value === undefined) return "";
  if (typeof value !== "string") throw invalid(name, "is no string");
  return value;
}

export function sessionIdOf(fields: Fields, name: string): string {
  const text = textOf(fields, name);
  if (!SESSION_ID.test(text)) throw invalid(name, "is not 1..128 visible characters");
  return text;
}

/** E.164 with its `+`: some leave it out, and in a form that was not encoded it reads as a blank. */
export function phoneOf(fields: Fields, name: string): string {
  const [, digits] = PHONE.exec(textOf(fields, name).trim()) ?? [];
  if (digits === undefined) throw invalid(name, "is no phone number in E.164");
  return `+${digits}`;
}

/** A code as dialled, or the number of a voice line. A bare short code gets its `*` and `#`. */
export function serviceCodeOf(fields: Fields, name: string): string {
  const text = textOf(fields, name).trim();
  const code = /^\d{2,6}$/.test(text) ? `*${text}#` : text;
  if (!SERVICE_CODE.test(code)) throw invalid(name, "is no service code");
  return code;
}

/** The typed text; what a phone can not type is no fault of the request: a menu has an answer to it. */
export function typedOf(fields: Fields, name: string): string {
  const text = textOf(fields, name);
  if (text.length > TEXT_MAX) throw invalid(name, `has over ${TEXT_MAX} characters`);
  return text;
}

export const whole = (text: string): UssdInput => ({ kind: "whole", text });
export const oneStep = (text: string, number: number | null): UssdInput => ({
  kind: "step",
  text,
  number,
});
