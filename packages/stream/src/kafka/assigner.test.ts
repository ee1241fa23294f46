import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { assignPartitions, type MemberClaim, parseUserData } from "./assigner.ts";

const member = (memberId: string, claim: Partial<MemberClaim> = {}): MemberClaim => ({
  memberId,
  topics: ["a"],
  running: [],
  stored: [],
  ...claim,
});
const plain = (given: ReadonlyMap<string, readonly number[]>) => Object.fromEntries(given);

test("a lone member gets all", () => {
  assert.deepEqual(plain(assignPartitions([member("m")], 3)), { m: [0, 1, 2] });
});

test("a second member takes half, and what runs stays where it runs", () => {
  const given = assignPartitions(
    [member("new"), member("old", { running: [0, 1, 2, 3, 4, 5] })],
    6,
  );
  assert.deepEqual(plain(given), { old: [0, 1, 2], new: [3, 4, 5] });
});

test("a restarted member gets the partitions whose store it has", () => {
  const given = assignPartitions(
    [member("a", { running: [1, 4] }), member("b", { stored: [0, 5] })],
    6,
  );
  assert.deepEqual(plain(given), { a: [1, 2, 4], b: [0, 3, 5] });
});

test("what runs goes before what is stored", () => {
  const given = assignPartitions([member("a", { stored: [0] }), member("b", { running: [0] })], 2);
  assert.deepEqual(plain(given), { a: [1], b: [0] });
});

const numbers = fc.uniqueArray(fc.nat(30), { maxLength: 20 });
const claims = fc.uniqueArray(
  fc.record({
    memberId: fc.string({ minLength: 1, maxLength: 3 }),
    topics: fc.constant(["a"]),
    running: numbers,
    stored: numbers,
  }),
  { minLength: 1, maxLength: 8, selector: ({ memberId }) => memberId },
);

test("every partition goes to one member, evenly, and alike in any order of members", () => {
  fc.assert(
    fc.property(claims, fc.nat(24), (members, partitions) => {
      const given = assignPartitions(members, partitions);
      const all = [...given.values()].flat().sort((a, b) => a - b);
      assert.deepEqual(
        all,
        Array.from({ length: partitions }, (_, partition) => partition),
      );
      const counts = [...given.values()].map((own) => own.length);
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1);
      const reversed = assignPartitions([...members].reverse(), partitions);
      assert.deepEqual(plain(reversed), plain(given));
    }),
  );
});

test("a claim that cannot be read counts as none", () => {
  for (const text of ["", "{", '{"running":"all"}', '{"running":[-1]}', "null"]) {
    assert.deepEqual(parseUserData(Buffer.from(text)), { running: [], stored: [] });
  }
  assert.deepEqual(parseUserData(null), { running: [], stored: [] });
  assert.deepEqual(parseUserData(Buffer.from('{"running":[1],"stored":[2]}')), {
    running: [1],
    stored: [2],
  });
});
