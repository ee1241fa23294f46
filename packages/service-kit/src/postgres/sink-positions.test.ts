import assert from "node:assert/strict";
import { test } from "vitest";
import { advance, isBeyond, isLost, Positions } from "./sink-positions.ts";

const login = { topic: "id.login", partition: 0 };
const mfa = { topic: "id.mfa", partition: 0 };

test("a position moves from what is stored, a first one from where reading began", () => {
  const next = [
    { ...login, from: 12, offset: 20 },
    { ...mfa, from: 5, offset: 9 },
  ];
  const stored = [
    { ...login, offset: 10 },
    { ...mfa, offset: null },
  ];
  assert.deepEqual(advance(next, stored), [
    { ...login, from: 10, offset: 20 },
    { ...mfa, from: 5, offset: 9 },
  ]);
});

test("a position that another owner has passed does not move", () => {
  const next = [{ ...login, from: 10, offset: 20 }];
  assert.deepEqual(advance(next, [{ ...login, offset: 25 }]), []);
});

test("a store that holds less than it was given has lost it", () => {
  const positions = new Positions();
  const lost = (offset: number | null) => isLost({ ...login, offset }, positions);
  assert.equal(lost(null), false);
  positions.set([{ ...login, offset: 10 }]);
  assert.equal(lost(10), false);
  assert.equal(lost(12), false);
  assert.equal(lost(9), true);
  assert.equal(lost(null), true);
  positions.forget([login]);
  assert.equal(lost(9), false);
});

test("a record below a stored offset is in the store, any other is not", () => {
  const isNew = isBeyond([
    { ...login, offset: 10 },
    { ...mfa, offset: null },
  ]);
  const records = [9, 10].flatMap((offset) => [
    { ...login, offset },
    { ...mfa, offset },
  ]);
  assert.deepEqual(records.map(isNew), [false, true, true, true]);
});
