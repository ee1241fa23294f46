import { proveConsistency, verifyConsistency } from "@vigie/audit-log/proofs";
import { silentLogger } from "@vigie/core/log";
import { eventually } from "@vigie/testkit/eventually";
import { expect, onTestFinished, test } from "vitest";
import { openSigned, type SignedCheckpoint } from "./keys.ts";
import type { Place } from "./place.ts";
import { type Signer, type SignerEvents, startSigner } from "./signer.ts";
import { logKeys, MemoryPlace, MemoryTopic, MemoryTree } from "./testing.ts";

const keys = logKeys();

/** Everything outside of the signer's process. */
class World {
  tree = new MemoryTree();
  topic = new MemoryTopic();
  file = new MemoryPlace("file");
  database = new MemoryPlace("database");
  readonly broken: string[] = [];

  start(
    over: { readonly wrap?: (place: Place) => Place; readonly events?: Partial<SignerEvents> } = {},
  ) {
    const { wrap = (place) => place } = over;
    const signer = startSigner({
      tree: {
        head: () => this.tree.head(),
        leafHashes: (from, to) => this.tree.leafHashes(from, to),
        nodes: (nodes) => this.tree.nodes(nodes),
      },
      keys,
      openTopic: () => {
        const topic = this.topic.open();
        return { ...topic, ...pick(wrap(topic)) };
      },
      places: [wrap(this.file), wrap(this.database)],
      log: silentLogger,
      events: {
        signed: () => {},
        broken: (error) => this.broken.push((error as { code?: string }).code ?? error.message),
        leads: () => {},
        ...over.events,
      },
      everyMs: 1,
    });
    onTestFinished(() => signer.stop());
    return signer;
  }

  places(): readonly MemoryPlace[] {
    return [this.topic, this.file, this.database];
  }

  async allHold(size: number): Promise<void> {
    await eventually(() => {
      for (const place of this.places()) expect(sizes(place).at(-1)).toBe(size);
    });
  }
}

const pick = ({ newest, keep }: Place) => ({ newest, keep });
const opened = (place: MemoryPlace): SignedCheckpoint[] =>
  place.notes.map((note) => openSigned(note, keys));
/** The second line of a checkpoint; expectConsistent verifies the rest. */
const sizes = (place: MemoryPlace): number[] =>
  place.notes.map((note) => Number(note.split("\n")[1]));

/** That every checkpoint extends the one before. */
async function expectConsistent(world: World): Promise<void> {
  const all = opened(world.topic);
  for (const [i, second] of all.entries()) {
    const first = all[i - 1];
    if (first === undefined || first.size === 0n) continue;
    const proof = await proveConsistency(first.size, second.size, world.tree.nodes);
    const roots = { firstRoot: first.root, secondRoot: second.root };
    const claim = { first: first.size, second: second.size, ...roots, proof };
    expect(verifyConsistency(claim), `${first.size} to ${second.size}`).toBe(true);
  }
}

test("an empty log is signed once it is led, and again each time that it has grown", async () => {
  const world = new World();
  const signer = world.start();
  signer.lead(true);
  await world.allHold(0);
  for (const size of [1, 2, 255, 256, 257, 300]) {
    world.tree.grow(size - world.tree.leaves.length, `to ${size}`);
    await world.allHold(size);
  }
  expect(sizes(world.topic)).toEqual([0, 1, 2, 255, 256, 257, 300]);
  await expectConsistent(world);
});

test("who does not lead signs nothing; what was appended last is signed before it stops", async () => {
  const world = new World();
  const idle = world.start();
  world.tree.grow(3);
  await idle.stop();
  expect(world.topic.notes).toEqual([]);
  const signer = world.start();
  signer.lead(true);
  await world.allHold(3);
  world.tree.grow(1, "last");
  await signer.stop();
  expect(sizes(world.database).at(-1)).toBe(4);
});

/** Ends a life at a step: from then on nothing that it does has an effect. */
class Death {
  private dead = false;
  private readonly steps: string[] = [];
  private readonly at: number;
  readonly died = Promise.withResolvers<void>();

  constructor(at: number) {
    this.at = at;
  }

  get reached(): readonly string[] {
    return this.steps;
  }

  wrap = (place: Place): Place => ({
    name: place.name,
    newest: () => this.step(`read ${place.name}`, () => place.newest()),
    keep: (checkpoint) => this.step(`keep ${place.name}`, () => place.keep(checkpoint)),
  });

  /** Each step can be the last one in two ways: before it has an effect, and after, its answer lost. */
  private async step<T>(name: string, work: () => Promise<T>): Promise<T> {
    this.crossed(`before ${name}`);
    const done = await work();
    this.crossed(`after ${name}`);
    return done;
  }

  private crossed(name: string): void {
    this.steps.push(name);
    if (this.steps.length === this.at) {
      this.dead = true;
      this.died.resolve();
    }
    if (this.dead) throw new Error(`died ${name}`);
  }
}

test("killed at any step, the next signer goes on from what was published: no fork, none lost", async () => {
  // Reads of three places, then three keeps of the first and of a second checkpoint: each before and after.
  for (let at = 1; at <= 18; at += 1) {
    const world = new World();
    world.tree.grow(5);
    const death = new Death(at);
    const first = world.start({ wrap: death.wrap });
    first.lead(true);
    await eventually(() => {
      const grown = world.tree.leaves.length === 5 && world.database.notes.length === 1;
      if (grown) world.tree.grow(4, "more");
      expect(death.reached.length).toBeGreaterThanOrEqual(at);
    });
    first.lead(false);
    const published = sizes(world.topic);
    world.tree.grow(10 - world.tree.leaves.length, "end");
    const second = world.start();
    second.lead(true);
    await world.allHold(10);
    await second.stop();
    // Whatever was published is in the other places too, in order and once.
    expect(sizes(world.database), `at ${at}`).toEqual(sizes(world.topic));
    expect(sizes(world.topic).slice(0, published.length)).toEqual(published);
    expect(new Set(sizes(world.topic)).size).toBe(world.topic.notes.length);
    await expectConsistent(world);
  }
});

test("of two that think they lead, each checkpoint is one's, and all fit together", async () => {
  const world = new World();
  const terms = { one: 0, other: 0 };
  const one = world.start({ events: { leads: (on) => (terms.one += on ? 1 : 0) } });
  const other = world.start({ events: { leads: (on) => (terms.other += on ? 1 : 0) } });
  one.lead(true);
  other.lead(true);
  for (let size = 1; size <= 40; size += 1) {
    world.tree.grow(1, `leaf ${size}`);
    await world.allHold(size);
  }
  expect(sizes(world.topic)).toEqual(sizes(world.database));
  expect(sizes(world.topic)).toEqual(sizes(world.topic).toSorted((a, b) => a - b));
  expect(Math.min(terms.one, terms.other)).toBeGreaterThan(0);
  await expectConsistent(world);
});

test("a fault of who no longer leads is forgotten", async () => {
  const world = new World();
  const told: (string | undefined)[] = [];
  const failing = (place: Place): Place => ({
    ...place,
    newest: () => Promise.reject(new Error("away")),
    keep: () => Promise.reject(new Error("away")),
  });
  const leads = (_: boolean, why?: string): void => void told.push(why);
  const signer = world.start({ wrap: failing, events: { leads } });
  signer.lead(true);
  await eventually(() => expect(told.at(-1)).toBe("away"));
  signer.lead(false);
  await eventually(() => expect(told.at(-1)).toBeUndefined());
});

test("a restored older database is not signed, until it holds again what was signed", async () => {
  const world = new World();
  world.tree.grow(20);
  const signer = world.start();
  signer.lead(true);
  await world.allHold(20);
  const whole = world.tree;
  world.tree = whole.copy(19);
  await eventually(() => expect(world.broken).toContain("VIG_AUDIT_TREE_BEHIND"));
  world.tree = whole.copy(19).grow(5, "fork");
  await eventually(() => expect(world.broken).toContain("VIG_AUDIT_FORKED"));
  expect(sizes(world.topic)).toEqual([20]);
  world.tree = whole.copy().grow(1, "next");
  await world.allHold(21);
});

test.each(["topic", "file", "database"] as const)(
  "the %s lost, the others hold the fence, and it is filled again",
  async (lost) => {
    const world = new World();
    world.tree.grow(20);
    const first = world.start();
    first.lead(true);
    await world.allHold(20);
    await first.stop();
    const whole = world.tree;
    world.tree = whole.copy(10);
    if (lost === "topic") world.topic = new MemoryTopic();
    else world[lost] = new MemoryPlace(lost);
    const second = world.start();
    second.lead(true);
    await eventually(() => expect(world.broken).toContain("VIG_AUDIT_TREE_BEHIND"));
    expect(world[lost].notes).toEqual([]);
    world.tree = whole;
    await world.allHold(20);
  },
);

test("100 checkpoints are all consistent with each other", async () => {
  const world = new World();
  const signer: Signer = world.start();
  signer.lead(true);
  for (let i = 1; i <= 100; i += 1) {
    world.tree.grow(1 + ((i * 7) % 11), `round ${i}`);
    await world.allHold(world.tree.leaves.length);
  }
  expect(world.topic.notes.length).toBeGreaterThanOrEqual(100);
  await expectConsistent(world);
});
