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
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return text(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw refused(String(value));
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map((item) => write(item, depth + 1)).join(",")}]`;
  if (typeof value === "object") return members(value as Record<string, unknown>, depth);
  throw refused(`a ${typeof value}`);
}

function members(value: Readonly<Record<string, unknown>>, depth: number): string {
  const parts: string[] = [];
  // Without a comparator, sort compares UTF-16 code units: what the RFC asks for.
  for (const name of Object.keys(value).sort()) {
    const member = value[name];
    if (member !== undefined) parts.push(`${text(name)}:${write(member, depth + 1)}`);
  }
  return `{${parts.join(",")}}`;
}

function text(value: string): string {
  if (!value.isWellFormed()) throw refused("a lone surrogate");
  return JSON.stringify(value);
}

const refused = (what: string): VigError =>
  new VigError("VIG_INVARIANT", { what: `canonical JSON holds no ${what}` });
