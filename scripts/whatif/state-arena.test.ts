import fc from "fast-check";
import { expect, test } from "vitest";
import { StateArena } from "./state-arena.ts";

test("every state is as it was put last, whatever else is put", () => {
  const puts = fc.array(
    fc.record({ user: fc.nat({ max: 9 }), size: fc.integer({ min: 1, max: 8_192 }) }),
    {
      maxLength: 200,
    },
  );
  fc.assert(
    fc.property(puts, (all) => {
      const arena = new StateArena();
      const places = new Map<number, { place: number; bytes: Buffer }>();
      all.forEach(({ user, size }, i) => {
        const bytes = Buffer.alloc(size, i);
        const old = places.get(user);
        const place = arena.put(bytes, old?.place ?? 0, old?.bytes.length ?? 0);
        places.set(user, { place, bytes });
        for (const one of places.values()) {
          expect(arena.get(one.place, one.bytes.length).equals(one.bytes)).toBe(true);
        }
      });
    }),
  );
});

test("places that are given up are used again: memory grows with users, not with events", () => {
  const arena = new StateArena();
  const users = Array.from({ length: 1_000 }, () => ({ place: 0, length: 0 }));
  for (let round = 0; round < 200; round++) {
    for (const [i, user] of users.entries()) {
      const length = 100 + ((round * 37 + i * 11) % 500);
      user.place = arena.put(Buffer.alloc(length), user.place, user.length);
      user.length = length;
    }
  }
  expect(arena.size).toBeLessThan(4 * 1_048_576);
});
