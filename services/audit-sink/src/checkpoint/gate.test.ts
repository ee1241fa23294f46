import { VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { silentLogger } from "@vigie/core/log";
import { expect, test } from "vitest";
import { createGate } from "./gate.ts";
import { signCheckpoint } from "./keys.ts";
import { logKeys, MemoryPlace, MemoryTree } from "./testing.ts";

const keys = logKeys();

class World {
  tree = new MemoryTree().grow(10);
  readonly topic = new MemoryPlace("topic");
  readonly fatal: unknown[] = [];
  readonly states: boolean[] = [];
  away: Error | null = null;
  private readonly log: Logger = { ...silentLogger, fatal: (fields) => this.fatal.push(fields) };
  readonly gate = createGate({
    tree: {
      head: () => this.tree.head(),
      leafHashes: (from, to) => this.tree.leafHashes(from, to),
      nodes: (nodes) => this.tree.nodes(nodes),
    },
    places: [{ name: "topic", newest: () => this.newest() }],
    keys,
    log: this.log,
    onState: (open) => this.states.push(open),
  });

  async sign(): Promise<void> {
    await this.topic.keep(signCheckpoint(keys, await this.tree.head()));
  }

  private async newest(): Promise<string | null> {
    if (this.away !== null) throw this.away;
    return this.topic.newest();
  }
}

const behind = { code: "VIG_AUDIT_TREE_BEHIND" };

test("a log that holds what was signed is appended to", async () => {
  const world = new World();
  await world.sign();
  await world.gate.check();
  world.gate.admit(10n);
  expect(world.states).toEqual([true]);
});

test("before the first check nothing is appended", async () => {
  const { gate } = new World();
  expect(() => gate.admit(10n)).toThrow("it was not read yet");
  expect(gate.isOpen()).toBe(false);
  await gate.check();
  gate.admit(10n);
  expect(gate.isOpen()).toBe(true);
});

test("an older copy of the database is not appended to, and is told of once", async () => {
  const world = new World();
  await world.sign();
  const whole = world.tree;
  world.tree = whole.copy(9);
  for (let i = 0; i < 3; i += 1) await expect(world.gate.check()).rejects.toMatchObject(behind);
  expect(() => world.gate.admit(9n)).toThrow("VIG_AUDIT_TREE_BEHIND");
  expect(() => world.gate.admit(99n)).toThrow("VIG_AUDIT_TREE_BEHIND");
  expect(world.fatal).toHaveLength(1);
  world.tree = whole;
  await world.gate.check();
  world.gate.admit(10n);
  expect(world.states).toEqual([false, true]);
});

test("exchanged between two checks, an older copy is found under the lock of the first append", async () => {
  const world = new World();
  await world.sign();
  await world.gate.check();
  world.tree.grow(5, "more");
  world.gate.signed(signCheckpoint(keys, await world.tree.head()));
  expect(() => world.gate.admit(14n)).toThrow("VIG_AUDIT_TREE_BEHIND");
  expect(() => world.gate.admit(15n)).toThrow("VIG_AUDIT_TREE_BEHIND");
  await world.gate.check();
  world.gate.admit(15n);
});

test("what the signer finds closes it as well", async () => {
  const world = new World();
  await world.gate.check();
  world.gate.close(new VigError("VIG_AUDIT_FORKED", { size: "3", where: "head" }));
  expect(() => world.gate.admit(10n)).toThrow("VIG_AUDIT_FORKED");
});

test("a check that cannot be made neither opens nor closes", async () => {
  const world = new World();
  await world.sign();
  await world.gate.check();
  world.away = new VigError("VIG_DATABASE_AWAY", { why: "gone" });
  await expect(world.gate.check()).rejects.toThrow("VIG_DATABASE_AWAY");
  world.gate.admit(10n);
  world.away = null;
  world.tree = world.tree.copy(3);
  await expect(world.gate.check()).rejects.toMatchObject(behind);
  world.away = new VigError("VIG_DATABASE_AWAY", { why: "gone" });
  await expect(world.gate.check()).rejects.toThrow("VIG_DATABASE_AWAY");
  expect(() => world.gate.admit(10n)).toThrow("VIG_AUDIT_TREE_BEHIND");
});
