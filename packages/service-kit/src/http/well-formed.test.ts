import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isWellFormed, refuseHalfCharacters } from "./well-formed.ts";

const refused = (text: string): unknown => {
  try {
    refuseHalfCharacters(text, JSON.parse(text));
    return null;
  } catch (error) {
    return (error as { readonly details?: unknown }).details;
  }
};

describe("half a character", () => {
  test.each([
    ['{"user_id": "\\ud800"}', "user_id"],
    ['{"filter": {"role": "a\\udfffb"}}', "filter.role"],
    [
      '{"items": [{"event": {}}, {"event": {"session_id": "\\uD83D"}}]}',
      "items.1.event.session_id",
    ],
    ['"\\udc00\\ud83d"', "body"],
    ['{"roles": {"\\ud800": 1}}', "roles.\ufffd"],
  ])("in %s is named: %s", (text, path) => {
    expect(refused(text)).toEqual({ path, why: "is not well-formed Unicode" });
  });

  test.each([
    '{"note": "\\ud83d\\ude00 \\u00e9 \\\\ud800"}',
    '{"note": "😀"}',
    "[null, 1, true, {}]",
  ])("is not in %s", (text) => {
    expect(refused(text)).toBeNull();
  });

  test("is found at any depth without running out of stack", () => {
    const depth = 50_000;
    const text = `${"[".repeat(depth)}"\\ud800"${"]".repeat(depth)}`;
    expect(refused(text)).toMatchObject({ why: "is not well-formed Unicode" });
  });

  test("is in a value if, and only if, one of its texts or names cannot be written as UTF-8", () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: "binary" }), (value) => {
        expect(isWellFormed(value)).toBe(isWritable(value));
      }),
    );
  });
});

function isWritable(value: unknown): boolean {
  let all = true;
  JSON.parse(JSON.stringify(value), (name, member) => {
    for (const each of [name, member]) {
      try {
        if (typeof each === "string") encodeURIComponent(each);
      } catch {
        all = false;
      }
    }
    return member;
  });
  return all;
}
