import assert from "node:assert/strict";
import { test } from "vitest";
import { MemoryStore } from "./memory-store.ts";
import { storeBehaviours, wakeBehaviours } from "./store.suite.ts";
import type { Checkpoint, DueKey, StateChanges } from "./store.ts";

const behaviours = { ...storeBehaviours, ...wakeBehaviours };

for (const [name, behaviour] of Object.entries(behaviours)) {
  test(`memory store: ${name}`, () => behaviour(new MemoryStore()));
}

/** Planted faults: each a store that breaks one promise. */
class ForgetsTombstones extends MemoryStore {
  override writeNow(changes: StateChanges, checkpoint: Checkpoint): void {
    super.writeNow(new Map([...changes].filter(([, envelope]) => envelope !== null)), checkpoint);
  }
}
class KeepsTheFirstCheckpoint extends MemoryStore {
  override writeNow(changes: StateChanges, checkpoint: Checkpoint): void {
    super.writeNow(changes, this.checkpoint() ?? checkpoint);
  }
}
class WakesTooEarly extends MemoryStore {
  override due(untilMs: number, limit: number): DueKey[] {
    return super.due(untilMs + 1, limit);
  }
}

for (const Broken of [ForgetsTombstones, KeepsTheFirstCheckpoint, WakesTooEarly]) {
  test(`the suite refuses a store that ${Broken.name}`, async () => {
    const outcomes = await Promise.allSettled(
      Object.values(behaviours).map((behaviour) => behaviour(new Broken())),
    );
    assert.ok(outcomes.some(({ status }) => status === "rejected"));
  });
}
