import assert from "node:assert/strict";
import { test } from "vitest";
import type { PolicyChange, PolicyStore, StoredPolicy } from "./policy-store.ts";

const stored = (version: number, document: object = {}): StoredPolicy => ({
  version,
  document,
  updatedAtMs: Date.UTC(2026, 0, 5, 10, 0, 0, version),
  updatedBy: "admin-1",
});

const changeOf = (tenantId: string, version: number, document: object): PolicyChange => ({
  tenantId,
  seenVersion: version - 1,
  next: stored(version, document),
  record: Buffer.from(`${tenantId} ${version}`),
});

const agree = async (): Promise<void> => {};

export interface PublishingStore {
  readonly store: PolicyStore;
  /** Text of what was published for a tenant, in order. */
  published(tenantId: string): Promise<readonly string[]>;
}

/** What every PolicyStore promises. */
export function policyStoreSuite(name: string, opened: () => PublishingStore): void {
  test(`${name}: a document is absent, then as it was written, version by version`, async () => {
    const { store, published } = opened();
    assert.deepEqual(await store.read("one"), { own: null, common: null });
    const first = { idle_timeout: { minutes: 5 }, roles: { "super-admin": {} } };
    const outcome = await store.change(changeOf("one", 1, first), async (before) => {
      assert.equal(before, null);
    });
    assert.deepEqual(outcome, { kind: "changed" });
    await store.change(changeOf("one", 2, {}), async (before) => {
      assert.deepEqual(before, stored(1, first));
    });
    assert.deepEqual(await store.read("one"), { own: stored(2), common: null });
    assert.deepEqual(await published("one"), ["one 1", "one 2"]);
  });

  test(`${name}: whoever saw another version changes and publishes nothing`, async () => {
    const { store, published } = opened();
    await store.change(changeOf("two", 1, {}), agree);
    await store.change(changeOf("two", 2, {}), agree);
    const never = async () => assert.fail("a stale change is never announced");
    const late = await store.change(changeOf("two", 2, { idle_timeout: {} }), never);
    assert.deepEqual(late, { kind: "stale", version: 2 });
    const early = await store.change(changeOf("two", 9, {}), never);
    assert.deepEqual(early, { kind: "stale", version: 2 });
    assert.deepEqual((await store.read("two")).own, stored(2));
    assert.deepEqual(await published("two"), ["two 1", "two 2"]);
  });

  test(`${name}: of many writers at once one wins`, async () => {
    const { store, published } = opened();
    for (const version of [1, 2]) {
      const writers = Array.from({ length: 8 }, (_, i) =>
        store.change(changeOf("three", version, { idle_timeout: { minutes: i + 1 } }), agree),
      );
      const kinds = (await Promise.all(writers)).map(({ kind }) => kind);
      assert.equal(kinds.filter((kind) => kind === "changed").length, 1);
    }
    assert.equal((await store.read("three")).own?.version, 2);
    assert.deepEqual(await published("three"), ["three 1", "three 2"]);
  });

  test(`${name}: a change that cannot be put on record does not happen`, async () => {
    const { store, published } = opened();
    const refuse = async () => {
      throw new Error("no audit");
    };
    await assert.rejects(store.change(changeOf("four", 1, {}), refuse), /no audit/);
    assert.equal((await store.read("four")).own, null);
    assert.deepEqual(await published("four"), []);
    assert.deepEqual(await store.change(changeOf("four", 1, {}), agree), { kind: "changed" });
  });

  test(`${name}: TEN-01: a tenant sees its own document and the default, no other`, async () => {
    const { store } = opened();
    await store.change(changeOf("five", 1, { idle_timeout: { minutes: 7 } }), agree);
    await store.change(changeOf("*", 1, { idle_timeout: { minutes: 8 } }), agree);
    assert.deepEqual(await store.read("six"), {
      own: null,
      common: stored(1, { idle_timeout: { minutes: 8 } }),
    });
    const { own, common } = await store.read("*");
    assert.deepEqual(own, common);
  });
}
