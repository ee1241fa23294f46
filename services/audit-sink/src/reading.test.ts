import type { StreamObserver } from "@vigie/stream/observer";
import { expect, test } from "vitest";
import { GRACE_MS } from "./emitters.ts";
import { listenForBroker, mayGiveUp, PAUSE_MAX_MS, type Reading, readOn } from "./reading.ts";

const NOW_MS = 1_767_607_200_000;
const NEVER: Reading = { sinceMs: 0, atMs: 0 };

/** Writes one after the other, so many ms apart. */
const readAt = (...afterMs: readonly number[]): Reading =>
  afterMs.reduce((reading, ms) => readOn(reading, reading.atMs + ms), readOn(NEVER, NOW_MS));

const steps = (ms: number, count: number): readonly number[] =>
  Array.from({ length: count }, () => ms);

test.each<[string, Reading, boolean]>([
  ["the first write", readAt(), false],
  [
    "for as long as a record may take",
    readAt(...steps(PAUSE_MAX_MS, GRACE_MS / PAUSE_MAX_MS)),
    true,
  ],
  ["for a little less", readAt(...steps(PAUSE_MAX_MS, 4), PAUSE_MAX_MS - 1), false],
  ["with a pause that is too long", readAt(...steps(PAUSE_MAX_MS, 9), PAUSE_MAX_MS + 1), false],
  ["with a clock that was set back", readAt(...steps(PAUSE_MAX_MS, 9), -PAUSE_MAX_MS - 1), false],
  ["with a clock of another member, a little behind", readAt(...steps(PAUSE_MAX_MS, 9), -50), true],
])("%s", (_, reading, may) => {
  expect(mayGiveUp(reading)).toBe(may);
});

test("the broker is up from its first answer on, until the reader says that it is away", () => {
  const heard: unknown[] = [];
  const inner = { dependency: (event: unknown) => void heard.push(event) } as StreamObserver;
  const { isUp, observer } = listenForBroker();
  const { dependency } = observer(inner);
  const seen = [isUp()];
  const told = [
    { name: "registry", up: true },
    { name: "kafka", up: true },
    { name: "registry", up: false },
    { name: "kafka", up: false, why: "away" },
  ] as const;
  for (const event of told) {
    dependency(event);
    seen.push(isUp());
  }
  expect(seen).toEqual([false, false, true, true, false]);
  expect(heard).toEqual(told);
});
