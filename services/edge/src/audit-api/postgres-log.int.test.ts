import assert from "node:assert/strict";
import { afterAll, beforeAll, describe, test } from "vitest";
import { type TestTables, testTables } from "../inventory/test-tables.ts";
import { auditLogBehaviours, type OpenLog } from "./audit-log.suite.ts";
import { postgresLog } from "./postgres-log.ts";
import { ORIGIN, smallLog, TENANT, TestLog } from "./test-log.ts";
import { fillTables, keys } from "./test-log-tables.ts";

let tables: TestTables;
beforeAll(async () => {
  tables = await testTables();
});
afterAll(() => tables.close());

const reading = () => postgresLog({ database: tables.edge, keys: () => keys, origin: ORIGIN });

const open: OpenLog = async (made, size) => {
  await fillTables(tables.owner, made, size === undefined ? {} : { size });
  return reading();
};

describe("the audit log in PostgreSQL, with the rights of the edge", () => {
  for (const [name, behaviour] of Object.entries(auditLogBehaviours)) {
    test(name, () => behaviour(open));
  }
});

const refusal = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "none",
    ({ code }: { readonly code: string }) => code,
  );

test("a tenant's tree is the newest whose leaves are told apart, and an export of it breaks off in a rebuild", async () => {
  const made = smallLog();
  await fillTables(tables.owner, made, { size: 3, projectedTo: 4 });
  await tables.owner.query(
    `insert into audit_checkpoints
     select origin, 6, root, $1, key_name, key_id, signed_at_ms from audit_checkpoints`,
    [made.signed(6).note],
  );
  const log = reading();
  assert.equal((await log.signedTree({ tenant: null })).size, 6);
  assert.equal((await log.signedTree({ tenant: TENANT })).size, 3);
  const range = { tenant: TENANT, from: 0, until: 4, limit: 10 };
  assert.equal((await log.leaves(range)).length, 3);
  await tables.owner.query("update audit_projection set next_index = 2");
  assert.equal(await refusal(log.leaves(range)), "VIG_AUDIT_TABLES_BEHIND");
  assert.equal(await refusal(log.signedTree({ tenant: TENANT })), "VIG_AUDIT_TABLES_BEHIND");
  assert.equal((await log.leaves({ ...range, tenant: null })).length, 4);
});

test("lines that witnesses added stand below the checkpoint", async () => {
  const made = smallLog();
  await fillTables(tables.owner, made);
  await tables.owner.query(
    `insert into audit_cosignatures
     select origin, size, root, name, '00000001', '— ' || name || E' AAAA\\n', 0
       from audit_checkpoints, unnest(array['w2', 'w1']) as name`,
  );
  const { note } = await reading().signedTree({ tenant: null });
  assert.equal(note, `${made.signed().note}— w1 AAAA\n— w2 AAAA\n`);
});

test("a tree that a witness cosigned may be asked for, and be smaller than the newest", async () => {
  const made = smallLog();
  await fillTables(tables.owner, made, { size: 3 });
  const cosigned = { tenant: null, isWitnessed: true };
  assert.equal(await refusal(reading().signedTree(cosigned)), "VIG_AUDIT_NOT_SIGNED");
  await tables.owner.query(
    `insert into audit_cosignatures
     select origin, size, root, 'w1', '00000001', E'— w1 AAAA\\n', 0 from audit_checkpoints`,
  );
  await tables.owner.query(
    `insert into audit_checkpoints
     select origin, 6, sha256(root), $1, key_name, key_id, signed_at_ms from audit_checkpoints`,
    [made.signed(6).note],
  );
  assert.equal((await reading().signedTree({ tenant: null })).size, 6);
  const tree = await reading().signedTree(cosigned);
  assert.equal(tree.size, 3);
  assert.ok(tree.note.endsWith("— w1 AAAA\n"));
  assert.equal((await reading().signedTree({ tenant: TENANT, isWitnessed: true })).size, 3);
});

test("without keys boxes stay sealed", async () => {
  const made = smallLog();
  await fillTables(tables.owner, made);
  const log = postgresLog({ database: tables.edge, keys: () => null, origin: ORIGIN });
  assert.equal(log.canOpen, false);
  assert.deepEqual(
    (await log.opened(made.parsed)).map(({ boxes }) => boxes),
    made.parsed.map(() => ({})),
  );
});

test("a leaf that somebody deleted is not passed over in silence", async () => {
  const made = new TestLog().add().add().add();
  await fillTables(tables.owner, made);
  await tables.owner.query(
    `alter table audit_leaves disable trigger no_change; delete from audit_leaves where index = 1;
     alter table audit_leaves enable always trigger no_change`,
  );
  const find = reading().find({ tenant: TENANT }, { after: null, limit: 10 });
  assert.equal(await refusal(find), "VIG_AUDIT_LEAF_MISSING");
});
