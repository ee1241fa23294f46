import { VigError } from "@vigie/core/errors";

/** Source: longer names are a client's nonsense, of no use in an answer. */
const PATH_LENGTH_MAX = 200;

/** A value inside another, and the way to it. */
type Place = readonly [path: string, value: unknown];

/**
 * Where half a character is: one that has no UTF-8, so that PostgreSQL refuses it, and in Kafka two ids become one.
 * Returns: the path of the text or of the member so named; null: there is none.
 */
function halfCharacterIn(value: unknown): string | null {
  // No recursion: a body may be nested as deep as it is long.
  const left: Place[] = [["", value]];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const [path, found] = next;
    if (typeof found === "string" && !found.isWellFormed()) return path;
    if (typeof found !== "object" || found === null) continue;
    for (const [name, member] of Object.entries(found)) {
      const inner = path === "" ? name : `${path}.${name}`;
      if (!name.isWellFormed()) return inner;
      left.push([inner, member]);
    }
  }
  return null;
}

/**
 * Source: RFC 7493 (I-JSON), section 2.1. `text` is the JSON that `value` was read from; half a character comes as an
 * escape only. Throws: VIG_BODY_INVALID.
 */
export function refuseHalfCharacters(text: string, value: unknown): void {
  if (!text.includes("\\u")) return;
  const path = halfCharacterIn(value);
  if (path === null) return;
  const named = path.slice(0, PATH_LENGTH_MAX).toWellFormed() || "body";
  throw new VigError("VIG_BODY_INVALID", { path: named, why: "is not well-formed Unicode" });
}

/** Whether no text in it is broken. */
export const isWellFormed = (value: unknown): boolean => halfCharacterIn(value) === null;
