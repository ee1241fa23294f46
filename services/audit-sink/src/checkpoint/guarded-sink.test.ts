import { EMPTY_FRONTIER } from "@vigie/audit-log/tree";
import { VigError } from "@vigie/core/errors";
import type { Sink, SinkPosition, SinkRecord, SinkRewind } from "@vigie/stream/kafka/sink";
import { expect, test } from "vitest";
import type { Fence } from "./fence.ts";
import { guardedSink } from "./guarded-sink.ts";
import type { SignedCheckpoint } from "./keys.ts";

const behind = new VigError("VIG_AUDIT_TREE_BEHIND", { size: "1", signed: "2", where: "topic" });
const next: readonly SinkPosition[] = [{ topic: "id.audit", partition: 1, from: 5, offset: 6 }];
const batch = [40, 30].map(
  (timestampMs): SinkRecord => ({
    topic: "id.audit",
    partition: 1,
    offset: timestampMs,
    timestampMs,
    key: "k",
    keyBytes: null,
    value: null,
    headers: [],
  }),
);
const signed = {} as SignedCheckpoint;

class World {
  fault: VigError | null = null;
  says: SinkRewind | undefined = undefined;
  checkpoint: SignedCheckpoint | null = signed;
  size: bigint | null = null;
  readonly calls: string[] = [];
  private readonly inner: Sink = {
    assigned: async () => {
      this.calls.push("assigned");
      return [];
    },
    write: async () => {
      this.calls.push("write");
      if (this.says === undefined) this.size = 9n;
      return this.says;
    },
    lost: () => void this.calls.push("lost"),
  };
  readonly sink = guardedSink({
    sink: this.inner,
    gate: {
      check: async (): Promise<Fence> => {
        if (this.fault !== null) throw this.fault;
        return { checkpoint: this.checkpoint, frontier: EMPTY_FRONTIER };
      },
    },
    lead: (on) => void this.calls.push(on ? "leads" : "leads no more"),
    begin: async () => void this.calls.push("begins"),
    takeSize: () => {
      const taken = this.size;
      this.size = null;
      return taken;
    },
    appended: ({ size, oldestAtMs }) => void this.calls.push(`${size} since ${oldestAtMs}`),
  });
}

test("who gets partition 0 of id.audit signs, until it is lost", async () => {
  const world = new World();
  await world.sink.assigned([{ topic: "id.session.anomaly", partition: 0 }]);
  expect(world.calls).toEqual(["assigned"]);
  await world.sink.assigned([{ topic: "id.audit", partition: 0 }]);
  expect(world.calls.at(-1)).toBe("leads");
  world.sink.lost?.([{ topic: "id.audit", partition: 1 }]);
  world.sink.lost?.([{ topic: "id.audit", partition: 0 }]);
  expect(world.calls.slice(-3)).toEqual(["lost", "leads no more", "lost"]);
});

test("of a log at fault nobody takes a partition", async () => {
  const world = new World();
  world.fault = behind;
  await expect(world.sink.assigned([{ topic: "id.audit", partition: 0 }])).rejects.toBe(behind);
  expect(world.calls).toEqual([]);
});

test("a log that was never signed begins with its own entry, before anything is read", async () => {
  const world = new World();
  world.checkpoint = null;
  await world.sink.assigned([{ topic: "id.audit", partition: 2 }]);
  expect(world.calls).toEqual(["begins", "assigned"]);
});

test("a rewind is passed on whatever the gate says, and what comes after it waits for the gate", async () => {
  const world = new World();
  world.says = { rewind: [{ topic: "id.audit", partition: 1, offset: 2 }] };
  world.fault = behind;
  expect(await world.sink.write(batch, next)).toBe(world.says);
  world.says = undefined;
  for (let i = 0; i < 2; i += 1) await expect(world.sink.write(batch, next)).rejects.toBe(behind);
  expect(world.calls).toEqual(["write"]);
  world.fault = null;
  expect(await world.sink.write(batch, next)).toBeUndefined();
  expect(world.calls).toEqual(["write", "write", "9 since 30"]);
});
