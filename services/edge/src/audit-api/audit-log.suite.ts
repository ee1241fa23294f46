import assert from "node:assert/strict";
import type { Leaf } from "@vigie/audit-log/leaf";
import { proveInclusion, rootAt, verifyInclusion } from "@vigie/audit-log/proofs";
import { leafHash } from "@vigie/audit-log/tree";
import { type LeafFilter, meets, passes } from "@vigie/service-kit/audit/leaf-filter";
import { uuidOf } from "@vigie/service-kit/ids";
import fc from "fast-check";
import { NOW_MS } from "../test-edge.ts";
import type { AuditLog } from "./audit-log.ts";
import { type LeafWanted, smallLog, TENANT, TestLog } from "./test-log.ts";

/** Opens a log with these leaves. `size`: of the newest signed tree; 0: none is. */
export type OpenLog = (made: TestLog, size?: number) => Promise<AuditLog>;

const OTHER = "molam-ci";

async function refusal(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "none",
    ({ code }: { readonly code: string }) => code,
  );
}

/** What every audit log promises, by name. */
export const auditLogBehaviours: Readonly<Record<string, (open: OpenLog) => Promise<void>>> = {
  "the newest signed tree is given, and before the first none": async (open) => {
    const made = smallLog();
    assert.equal(
      await refusal((await open(made, 0)).signedTree({ tenant: null })),
      "VIG_AUDIT_NOT_SIGNED",
    );
    const log = await open(made, 4);
    const { origin, size, note } = made.signed(4);
    for (const tenant of [null, TENANT]) {
      assert.partialDeepStrictEqual(await log.signedTree({ tenant }), { origin, size, note });
    }
  },

  "leaves are given by range, of a tenant or of all": async (open) => {
    const made = smallLog();
    const log = await open(made);
    const indexes = async (tenant: string | null, from: number, limit: number) => {
      const range = { tenant, from, until: made.leaves.length, limit };
      return (await log.leaves(range)).map(({ index }) => index);
    };
    assert.deepEqual(await indexes(null, 0, 100), [0, 1, 2, 3, 4, 5]);
    assert.deepEqual(await indexes(null, 2, 2), [2, 3]);
    assert.deepEqual(await indexes(TENANT, 1, 2), [2, 3]);
    assert.deepEqual(await indexes(OTHER, 0, 100), [1]);
    assert.deepEqual(await indexes("nobody", 0, 100), []);
    const [first] = await log.leaves({ tenant: TENANT, from: 0, until: 1, limit: 1 });
    assert.deepEqual(first && { ...first }, made.leaves[0]);
  },

  "its nodes prove every leaf of a tree with full tiles": async (open) => {
    const made = new TestLog();
    for (let i = 0; i < 600; i++) made.add({ tenant: i % 3 === 0 ? OTHER : TENANT });
    const log = await open(made);
    for (const size of [1, 255, 256, 257, 512, 600]) {
      const { root } = made.signed(size);
      assert.deepEqual(await rootAt(BigInt(size), log.nodes), root);
      for (const index of [0, size >> 1, size - 1]) {
        const proof = await proveInclusion(BigInt(index), BigInt(size), log.nodes);
        const hash = leafHash(made.leaves[index]?.leaf ?? Buffer.alloc(0));
        const claim = { index: BigInt(index), size: BigInt(size), leafHash: hash, proof, root };
        assert.ok(verifyInclusion(claim), `${index} of ${size}`);
      }
    }
  },

  "boxes open with the person's key, and no more once it is destroyed": async (open) => {
    const made = smallLog();
    const log = await open(made);
    const opened = await log.opened(made.parsed);
    assert.ok(log.canOpen);
    assert.deepEqual(
      opened.map(({ boxes }) => boxes),
      made.parsed.map(({ id }) => made.opened(id).boxes),
    );
    assert.deepEqual(opened[4]?.boxes, {}, "usr_3 was erased");
    assert.equal(Object.keys(opened[0]?.boxes ?? {}).length, 2);
  },

  "a person is found by either id and by ref, in their own tenant, until they are erased": async (
    open,
  ) => {
    const made = smallLog();
    const log = await open(made);
    const { ref } = made.subjectOf(TENANT, "usr_1");
    for (const given of ["usr_1", uuidOf(TENANT, "user", "usr_1"), ref]) {
      assert.equal(await log.refOf(TENANT, given), ref);
    }
    assert.notEqual(await log.refOf(OTHER, "usr_1"), ref);
    assert.equal(await log.refOf(OTHER, ref), null);
    assert.equal(await log.refOf(TENANT, "usr_3"), null);
    assert.equal(await log.refOf(null, ref), ref);
    assert.equal(await log.refOf(null, "usr_1"), null);
  },

  "paging through any filter gives every leaf that meets it once, the newest first": (open) =>
    everyLeafOnce(open),

  "of the leaves that a filter lets pass none is left out": (open) => everyPassingLeaf(open),

  "how far was searched is told, also when nothing is found": async (open) => {
    const made = smallLog();
    const log = await open(made);
    const page = { after: null, limit: 10 };
    const found = await log.find({ tenant: "nobody" }, page);
    assert.deepEqual({ ...found }, { leaves: [], next: null, searchedTo: made.leaves.length });
  },
};

const maybe = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined, freq: 2 });
const people = fc.constantFrom("usr_1", "usr_2", "adm_1");
/** Few values, so that filters meet, and many leaves are of one millisecond. */
const seeds: fc.Arbitrary<LeafWanted> = fc.record(
  {
    tenant: fc.constantFrom(TENANT, OTHER),
    action: fc.constantFrom("session.revoked", "policy.updated"),
    atMs: fc.integer({ min: -20, max: 0 }),
    actor: people,
    subject: people,
    impersonated: people,
  },
  { requiredKeys: ["tenant", "action", "atMs"] },
);
const instants = fc.integer({ min: -20, max: 1 }).map((ms) => NOW_MS + ms);

const filtersOf = (made: TestLog): fc.Arbitrary<LeafFilter> => {
  const refs = people.map((user) => made.subjectOf(TENANT, user).ref);
  return fc
    .record({
      tenant: maybe(fc.constantFrom(TENANT, OTHER)),
      action: maybe(fc.constant("policy.updated")),
      actor: maybe(fc.oneof(refs, fc.constant("sessions"))),
      subject: maybe(refs),
      impersonation: maybe(fc.boolean()),
      from: maybe(instants),
      to: maybe(instants),
    })
    .map((given) =>
      Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    );
};

/** Fails unless the ranges of every filter give the leaves that pass it, once and in order. */
async function everyPassingLeaf(open: OpenLog): Promise<void> {
  const made = new TestLog();
  for (const wanted of fc.sample(seeds, { numRuns: 150, seed: 8 })) made.add(wanted);
  made.erase(TENANT, "usr_2").erase(OTHER, "usr_2");
  const log = await open(made);
  const limits = fc.integer({ min: 1, max: 50 });
  const property = fc.asyncProperty(filtersOf(made), limits, async (given, limit) => {
    const filter = { ...given, tenant: TENANT };
    const wanted = made.parsed.flatMap((leaf, index) => (passes(leaf, filter) ? [index] : []));
    const seen: number[] = [];
    const until = made.leaves.length;
    for (let from = 0; from < until; ) {
      const found = await log.leaves({ tenant: TENANT, from, until, limit, filter });
      seen.push(...found.map(({ index }) => index));
      from = found.length < limit ? until : (seen.at(-1) ?? 0) + 1;
    }
    const passing = seen.filter((index) => passes(made.parsed[index] as Leaf, filter));
    assert.deepEqual(passing, wanted);
    assert.deepEqual(
      seen,
      seen.toSorted((one, other) => one - other),
    );
  });
  await fc.assert(property, { numRuns: 40 });
}

/** Fails unless every page of every filter gives the leaves that meet it, once and in order. */
async function everyLeafOnce(open: OpenLog): Promise<void> {
  const made = new TestLog();
  for (const wanted of fc.sample(seeds, { numRuns: 150, seed: 7 })) made.add(wanted);
  const log = await open(made);
  const limits = fc.integer({ min: 1, max: 9 });
  const property = fc.asyncProperty(filtersOf(made), limits, async (filter, limit) => {
    const wanted = made.parsed
      .map((leaf, index) => ({ leaf, index }))
      .filter(({ leaf }) => meets(leaf, filter))
      .sort((one, other) => other.leaf.at - one.leaf.at || other.index - one.index)
      .map(({ index }) => index);
    const seen: number[] = [];
    let after = null;
    do {
      const page: Awaited<ReturnType<AuditLog["find"]>> = await log.find(filter, { after, limit });
      assert.ok(page.leaves.length <= limit);
      seen.push(...page.leaves.map(({ index }) => index));
      after = page.next;
    } while (after !== null);
    assert.deepEqual(seen, wanted);
  });
  await fc.assert(property, { numRuns: 40 });
}
