import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { FNV_BASIS } from "../state/key-hash.ts";
import { KEY_BYTES_MAX } from "../state/store.ts";
import { KeyTable, NOWHERE } from "./key-table.ts";

/** Two keys of one hash, 0x0d4c7f76, when it begins with FNV_BASIS; found by search. */
const TWINS = ["t0|1enwk4z", "t0|18zr0pk"] as const;

/** A table beside a Map of addresses. */
class Pair {
  readonly table = new KeyTable(FNV_BASIS);
  readonly map = new Map<string, number>();

  put(key: string, address: number): void {
    const bytes = Buffer.from(`..${key}`);
    const slot = this.table.slotFor(bytes, 2, bytes.length - 2);
    assert.equal(this.table.addressAt(slot), this.map.get(key) ?? NOWHERE);
    this.table.move(slot, address, address % 1_000);
    this.map.set(key, address);
  }

  remove(key: string): void {
    const slot = this.table.find(key);
    assert.equal(slot !== -1, this.map.delete(key));
    if (slot !== -1) this.table.remove(slot);
  }

  clear(): void {
    this.table.clear();
    this.map.clear();
  }

  check(asked: Iterable<string>): void {
    const { table, map } = this;
    assert.equal(table.size, map.size);
    for (const key of asked) {
      const slot = table.find(key);
      const address = map.get(key);
      const bytes = Buffer.from(key);
      assert.equal(table.findIn(bytes, 0, bytes.length), slot);
      assert.equal(slot === -1 ? undefined : table.addressAt(slot), address);
      if (address !== undefined) assert.equal(table.lengthAt(slot), address % 1_000);
    }
    const entries = [...table.entries()].map(([key, slot]) => [key, table.addressAt(slot)]);
    assert.deepEqual(new Map(entries as [string, number][]), map);
  }
}

test("keys of one hash are two", () => {
  const pair = new Pair();
  const [a, b] = TWINS;
  pair.put(a, 1);
  pair.check(TWINS);
  pair.put(b, 2);
  pair.check(TWINS);
  pair.remove(a);
  pair.check(TWINS);
  pair.put(a, 3);
  pair.remove(b);
  pair.check(TWINS);
});

const key = fc.oneof(
  fc.constantFrom(...TWINS, "", "é", "Дa", "\u{1F600}", "a".repeat(KEY_BYTES_MAX)),
  fc.nat({ max: 60 }).map((at) => `user-${at}`),
  fc.string({ unit: "binary", maxLength: 20 }).map((text) => text.toWellFormed()),
);
const act = fc.record({
  does: fc.constantFrom("put", "put", "put", "remove", "remove"),
  key,
  // Beyond 32 bits.
  address: fc.maxSafeNat(),
});

test("whatever is put and removed, it is as a map", () =>
  fc.assert(
    fc.property(fc.array(act, { maxLength: 300, size: "max" }), (acts) => {
      const pair = new Pair();
      for (const { does, key, address } of acts) {
        if (does === "put") pair.put(key, address);
        else pair.remove(key);
      }
      pair.check(acts.map(({ key }) => key));
      pair.clear();
      pair.check(TWINS);
      for (const { key, address } of acts) pair.put(key, address);
      pair.check(acts.map(({ key }) => key));
    }),
    { numRuns: 60 },
  ));

/** Nearly full, so that runs of taken slots are long and go over the end of the table. */
test("removals close the gaps that they make, in every order", () =>
  fc.assert(
    fc.property(
      fc.shuffledSubarray(
        Array.from({ length: 760 }, (_, at) => at),
        { minLength: 700 },
      ),
      (order) => {
        const pair = new Pair();
        for (let at = 0; at < 760; at++) pair.put(`k${at}`, at);
        for (const at of order.slice(0, 500)) pair.remove(`k${at}`);
        pair.check(order.map((at) => `k${at}`));
      },
    ),
    { numRuns: 15 },
  ));

const keyBytes = (table: KeyTable): number => (Reflect.get(table, "keys") as Buffer).length;

test("100,000 keys come, go and come again, and the room of those that went is used", () => {
  const pair = new Pair();
  const keys = Array.from({ length: 100_000 }, (_, at) => `tenant-${at % 7}|user-${at}|é`);
  for (const [at, key] of keys.entries()) pair.put(key, at);
  pair.check(keys);
  const kept = keyBytes(pair.table);
  for (let turn = 1; turn <= 3; turn++) {
    for (const [at, key] of keys.entries()) if (at % 3 !== turn % 3) pair.remove(key);
    pair.check(keys.slice(0, 1_000));
    for (const [at, key] of keys.entries()) if (!pair.map.has(key)) pair.put(key, at + turn);
  }
  pair.check(keys);
  assert.ok(keyBytes(pair.table) <= 2 * kept, `${keyBytes(pair.table)}, ${kept} at first`);
}, 60_000);
