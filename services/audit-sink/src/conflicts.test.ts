import { boxKeyOf } from "@vigie/audit-log/box";
import { expect, test } from "vitest";
import { jointKey } from "./conflicts.ts";

const keys = [1, 2].map((byte) => boxKeyOf(Buffer.alloc(32, byte)));

test("PRV-14: what was set aside under several persons' keys opens with these in a later version, too", () => {
  expect(jointKey(keys).toString("hex")).toBe(
    "ddb7349871571c5790a5804e29d7281709500fc80eefcb8dc0e91bdf341a2ad9",
  );
});

test("each of the keys counts", () => {
  const [one, other] = keys;
  const all = [keys, [one], [other], [other, one]].map((some) =>
    jointKey(some.filter((key) => key !== undefined)).toString("hex"),
  );
  expect(new Set(all).size).toBe(4);
});
