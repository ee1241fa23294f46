import { VigError } from "./errors.ts";

/** Deeper values are refused: they would exhaust the stack before they mean anything. */
const DEPTH_MAX = 256;

/**
 * The one text of a JSON value: the same value gives the same bytes everywhere, so it can be hashed and signed.
 * Shape: null, booleans, finite numbers, well-formed strings, arrays and plain objects of these; a member that is
 * undefined is left out.
 * Throws: VIG_INVARIANT for anything else, and for more than 256 levels.
 * Source: RFC 8785, JSON Canonicalization Scheme: members sorted by UTF-16 code units, numbers and strings as
 * ECMAScript writes them.
 */
export function canonicalJson(value: unknown): string {
  return write(value, 0);
}

function write(value: unknown, depth: number): string {
  if (depth > DEPTH_MAX) throw refused(`more than ${DEPTH_MAX} levels`);
  if (typeof value === "string") return text(value);
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw refused(String(value));
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return items(value, depth);
  if (typeof value === "object") return members(value as Record<string, unknown>, depth);
  throw refused(`a ${typeof value}`);
}

function items(values: readonly unknown[], depth: number): string {
  let out = "";
  for (const value of values) out += `${out === "" ? "" : ","}${write(value, depth + 1)}`;
  return `[${out}]`;
}

function members(value: Readonly<Record<string, unknown>>, depth: number): string {
  let out = "";
  for (const name of sorted(Object.keys(value))) {
    const member = value[name];
    if (member === undefined) continue;
    out += `${out === "" ? "" : ","}${text(name)}:${write(member, depth + 1)}`;
  }
  return `{${out}}`;
}

/** Most objects are written in order already, and looking is faster than sorting. */
function sorted(names: string[]): string[] {
  for (let i = 1; i < names.length; i += 1) {
    // "<" and, without a comparator, sort compare UTF-16 code units: what the RFC asks for.
    if ((names[i] as string) < (names[i - 1] as string)) return names.sort();
  }
  return names;
}

/** Printable ASCII without quotes and backslashes stands for itself. */
const PLAIN = /^[ !#-[\]-~]*$/;

function text(value: string): string {
  if (PLAIN.test(value)) return `"${value}"`;
  if (!value.isWellFormed()) throw refused("a lone surrogate");
  return JSON.stringify(value);
}

const refused = (what: string): VigError =>
  new VigError("VIG_INVARIANT", { what: `canonical JSON holds no ${what}` });
