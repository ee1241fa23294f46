import { silentLogger } from "@vigie/core/log";
import { expect, test } from "vitest";
import { DUE_MAX } from "./emitter-rows.ts";
import { GRACE_MS, SILENT_MS } from "./emitters.ts";
import { PAUSE_MAX_MS } from "./reading.ts";
import { writeDueGaps } from "./sink.ts";
import { expectSound, itemOf, leavesOf, storeOver, testLog, upTo } from "./test-store.ts";
import { auditEvent, T0 } from "./testing.ts";

const log = testLog();

const [FIRST, SECOND] = [
  "edge.e-1.00000000-0000-4000-8000-000000000001",
  "edge.e-1.00000000-0000-4000-8000-000000000002",
];

/** A store whose clock the test moves. */
function clocked() {
  let nowMs = T0;
  const open = () => storeOver(log.service, { clock: () => nowMs });
  const store = open();
  /** The sink runs meanwhile: it looks for what is missed, but at the very end. */
  const pass = async (ms: number): Promise<void> => {
    for (const endMs = nowMs + ms; nowMs < endMs; nowMs += STEP_MS) {
      await store.write({ items: [] }, []);
    }
  };
  /** Nothing reads meanwhile. */
  const rest = (ms: number): void => {
    nowMs += ms;
  };
  return { store, open, pass, rest };
}
const STEP_MS = 30_000;

const gapsOf = async () =>
  (await leavesOf(log)).flatMap(({ action, payload }) =>
    action === "audit.gap_detected" ? [payload] : [],
  );

const numbered = (emitter: string, seq: number, offset: number, action = "x") =>
  itemOf(auditEvent(offset, { emitter, emitter_seq: seq, action }), offset);

test("a record that never comes is put on record, also while nothing else comes", async () => {
  const { store, pass } = clocked();
  const items = [numbered("vigie.sessions.0", 1, 1), numbered("vigie.sessions.0", 3, 2)];
  await store.write({ items }, upTo(3));
  const told: number[] = [];
  const due = () =>
    writeDueGaps({ store, log: silentLogger, observe: ({ gaps }) => void told.push(gaps.length) });
  await due();
  await pass(GRACE_MS);
  await due();
  await due();
  expect(told).toEqual([0, 1, 0]);
  expect(await gapsOf()).toEqual([{ emitter: "vigie.sessions.0", from: 2, to: 2 }]);
  await expectSound(log);
});

test("what came while the log was not read is no gap, however long that was", async () => {
  const { store, open, rest } = clocked();
  const items = [numbered("vigie.sessions.0", 1, 1), numbered("vigie.sessions.0", 4, 2)];
  await store.write({ items }, upTo(3));
  rest(GRACE_MS);
  const next = open();
  await next.write({ items: [] }, []);
  await next.write({ items: [numbered("vigie.sessions.0", 2, 3)] }, upTo(4));
  rest(PAUSE_MAX_MS);
  await next.write({ items: [numbered("vigie.sessions.0", 3, 4)] }, upTo(5));
  rest(GRACE_MS);
  await next.write({ items: [] }, []);
  expect(await gapsOf()).toEqual([]);
});

test("what does not come once the log is read again is a gap", async () => {
  const { store, pass, rest } = clocked();
  await store.write({ items: [numbered("vigie.sessions.0", 2, 1)] }, upTo(2));
  rest(GRACE_MS);
  await pass(GRACE_MS);
  expect(await gapsOf()).toEqual([]);
  await store.write({ items: [] }, []);
  expect(await gapsOf()).toEqual([{ emitter: "vigie.sessions.0", from: 1, to: 1 }]);
});

test("a boot that broke off is put on record after the next one of its instance has begun", async () => {
  const { store, pass } = clocked();
  await store.write({ items: [numbered(FIRST, 1, 1), numbered(FIRST, 2, 2)] }, upTo(3));
  await store.write({ items: [numbered(SECOND, 1, 3)] }, upTo(4));
  expect(await gapsOf()).toEqual([]);
  await pass(GRACE_MS);
  await store.write({ items: [numbered(SECOND, 2, 4)] }, upTo(5));
  expect(await gapsOf()).toEqual([{ emitter: FIRST, from: 3, to: null }]);
  await pass(GRACE_MS);
  await store.write({ items: [numbered(SECOND, 3, 5)] }, upTo(6));
  expect(await gapsOf()).toHaveLength(1);
});

test("a boot that broke off is put on record after a day if nothing starts again under its name", async () => {
  const { store, pass, rest } = clocked();
  await store.write({ items: [numbered(FIRST, 1, 1), numbered(FIRST, 2, 2)] }, upTo(3));
  rest(SILENT_MS);
  // What it said meanwhile may be among what the log has still to read.
  await pass(GRACE_MS);
  expect(await gapsOf()).toEqual([]);
  await store.write({ items: [] }, []);
  expect(await gapsOf()).toEqual([{ emitter: FIRST, from: 3, to: null }]);
  await pass(GRACE_MS);
  expect(await gapsOf()).toHaveLength(1);
  await expectSound(log);
});

test("boots that are read in the wrong order, and one that closed, are no gap", async () => {
  const { store, pass } = clocked();
  await store.write({ items: [numbered(SECOND, 1, 9)] }, upTo(10));
  const older = [numbered(FIRST, 1, 1), numbered(FIRST, 2, 2, "audit.series_closed")];
  const moved = older.map(({ entry, value }) => ({
    value,
    entry: { ...entry, origin: { ...entry.origin, partition: 1 } },
  }));
  await store.write({ items: [moved[0] as never] }, upTo(2, 1));
  await store.write({ items: [moved[1] as never] }, upTo(3, 1));
  await pass(GRACE_MS);
  await store.write({ items: [] }, []);
  expect(await gapsOf()).toEqual([]);
});

test("a boot that closes after the next one has begun makes neither a gap, read at once as well", async () => {
  const { store, pass } = clocked();
  await store.write({ items: [numbered(FIRST, 1, 1)] }, upTo(2));
  const items = [numbered(SECOND, 1, 2), numbered(FIRST, 2, 3, "audit.series_closed")];
  await store.write({ items }, upTo(4));
  await pass(GRACE_MS);
  await store.write({ items: [numbered(SECOND, 2, 5)] }, upTo(6));
  expect(await gapsOf()).toEqual([]);
});

test("a boot whose end is known is not written again with each boot that follows", async () => {
  const { store } = clocked();
  const boot = (n: number) => numbered(FIRST.replace(/1$/, String(n)), 1, n);
  const versions = async () => {
    const { rows } = await log.owner.query(
      "select xmin::text from audit_emitters order by emitter",
    );
    return rows;
  };
  for (const n of [1, 2]) await store.write({ items: [boot(n)] }, upTo(n + 1));
  const [first] = await versions();
  for (const n of [3, 4]) await store.write({ items: [boot(n)] }, upTo(n + 1));
  const [again, ...others] = await versions();
  expect(again).toEqual(first);
  expect(others).toHaveLength(3);
});

test("a repeated record, and one that is kept aside, fill no number", async () => {
  const { store, pass } = clocked();
  const forged = itemOf(auditEvent(1, { emitter: "e.0", emitter_seq: 2, action: "forged" }), 2);
  const first = numbered("e.0", 1, 1);
  await store.write({ items: [first, forged, numbered("e.0", 3, 3)] }, upTo(4));
  await pass(GRACE_MS);
  await store.write({ items: [] }, []);
  expect(await gapsOf()).toEqual([{ emitter: "e.0", from: 2, to: 2 }]);
});

test("holes of ever so many series make no write without end, and all are put on record", async () => {
  const { store, pass } = clocked();
  const series = Array.from({ length: DUE_MAX + 5 }, (_, i) => numbered(`e.${i}`, 2, i + 1));
  await store.write({ items: series }, upTo(DUE_MAX + 6));
  await pass(GRACE_MS);
  const told: number[] = [];
  for (let i = 0; i < 3; i++) {
    const written = await store.write({ items: [] }, []);
    if ("gaps" in written) told.push(written.gaps.length);
  }
  expect(told).toEqual([DUE_MAX, 5, 0]);
  expect(new Set((await gapsOf()).map((gap) => JSON.stringify(gap))).size).toBe(DUE_MAX + 5);
});
