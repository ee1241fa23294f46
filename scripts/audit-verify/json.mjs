import { isUtf8 } from "node:buffer";

/** Deeper values are refused, here as by the writer: they would exhaust the stack. */
const DEPTH_MAX = 256;

/**
 * The object of a line. Its text must be the one that JSON.stringify makes of it: so nothing stands twice in it,
 * and no two lines mean the same.
 * Throws: an Error that says what it is not.
 */
export function parseLine(bytes) {
  if (!isUtf8(bytes)) throw new Error("it is no UTF-8");
  const text = bytes.toString();
  const value = parseObject(text);
  if (JSON.stringify(value) !== text) throw new Error("it is not written as JSON.stringify does");
  return value;
}

/** How JSON.stringify writes half a character, which canonical JSON has not: an escape that is not escaped itself. */
const HALF = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;

/**
 * The object of a canonical text (RFC 8785).
 * Throws: an Error that says what it is not.
 */
export function parseCanonical(text) {
  if (!text.isWellFormed() || HALF.test(text)) throw new Error("it holds half a character");
  const value = parseObject(text);
  // The first way is three times as fast, and fails where names look like numbers: objects put these first.
  const isCanonical =
    (isSorted(value, 0) && JSON.stringify(value) === text) || canonical(value, 0) === text;
  if (!isCanonical) throw new Error("it is no canonical JSON");
  return value;
}

function parseObject(text) {
  const value = parse(text);
  if (!isObject(value)) throw new Error("it is no JSON object");
  return value;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("it is no JSON");
  }
}

export const isObject = (value) =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function isSorted(value, depth) {
  checkDepth(depth);
  if (typeof value !== "object" || value === null) return true;
  if (Array.isArray(value)) return value.every((item) => isSorted(item, depth + 1));
  let before = null;
  for (const name of Object.keys(value)) {
    if (before !== null && name <= before) return false;
    if (!isSorted(value[name], depth + 1)) return false;
    before = name;
  }
  return true;
}

function checkDepth(depth) {
  if (depth > DEPTH_MAX) throw new Error(`it has more than ${DEPTH_MAX} levels`);
}

function canonical(value, depth) {
  checkDepth(depth);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const inner = depth + 1;
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item, inner)).join()}]`;
  // Without a comparator, sort compares UTF-16 code units: what the RFC asks for.
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name], inner)}`).join()}}`;
}

/** Throws an Error unless `value` has all members of `required`, and no others than these and `optional`. */
export function checkMembers(value, required, optional = []) {
  for (const name of required) {
    if (!Object.hasOwn(value, name)) throw new Error(`it has no ${name}`);
  }
  const other = Object.keys(value).find(
    (name) => !required.includes(name) && !optional.includes(name),
  );
  if (other !== undefined) throw new Error(`it has a member ${JSON.stringify(other.slice(0, 40))}`);
}

/** An index or a count: integers above 2^53 - 1 are not exact in JSON numbers. */
export const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
