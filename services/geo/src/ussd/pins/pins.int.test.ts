import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { DAY_MS, MINUTE_MS } from "@vigie/core/time";
import { derivedKeys } from "@vigie/service-kit/kms/derived-keys";
import { codeIs } from "@vigie/service-kit/kms/keys.suite";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import { afterAll, beforeAll, beforeEach, describe, test } from "vitest";
import { createEraser } from "#erasure/eraser";
import { noPersonCache } from "#geo-context/person-cache";
import { type Person, rowOf } from "#person";
import { type GeoTables, geoTables } from "../../test-tables.ts";
import { lockMs, TRIES_MAX } from "./lock.ts";
import { createPinBook, NO_PIN } from "./pin-book.ts";
import { createResetCodes, RESET_CODE_TRIES_MAX, RESET_CODE_VALID_MS } from "./reset-codes.ts";

const T0 = Date.UTC(2026, 0, 5, 10);
const PIN = "2580";
const WRONG = "1379";
const awa: Person = { tenantId: "molam-sn", userId: "awa" };
const modou: Person = { ...awa, userId: "modou" };

let nowMs = T0;
const clock = () => nowMs;
const masters = [
  { keyId: "k1", activeFromMs: 0, secret: randomBytes(32) },
  { keyId: "k2", activeFromMs: T0 + 10 * DAY_MS, secret: randomBytes(32) },
];
const keys = derivedKeys(masters, clock);

let tables: GeoTables;
let pins: ReturnType<typeof createPinBook>;
const codes = createResetCodes(keys, clock);
beforeAll(async () => {
  tables = await geoTables();
  pins = createPinBook(tables.geo, keys, clock);
});
afterAll(() => tables.close());
beforeEach(async () => {
  nowMs = T0;
  await tables.owner.query("truncate ussd_pins, ussd_reset_codes");
});

const set = (person: Person, pin = PIN) =>
  tables.geo.inTenant(person.tenantId, (tx) => pins.set(tx, person, pin));
const fail = async (times: number): Promise<void> => {
  for (let i = 0; i < times; i += 1) await pins.check(awa, WRONG);
};

describe("USS-02: PINs", () => {
  test("a PIN is right for its person only; another one replaces it", async () => {
    assert.equal(await set(awa), false);
    await set(modou, "7931");
    assert.equal((await pins.check(awa, PIN)).kind, "ok");
    assert.deepEqual(await pins.check(modou, PIN), { kind: "wrong", triesLeft: 4 });
    assert.equal(await set(awa, "8642"), true);
    assert.deepEqual(await pins.check(awa, PIN), { kind: "wrong", triesLeft: 4 });
    assert.equal((await pins.check(awa, "8642")).kind, "ok");
    assert.deepEqual(await pins.check({ ...awa, userId: "nobody" }, PIN), { kind: "none" });
    assert.deepEqual(await pins.check({ ...awa, tenantId: "molam-ci" }, PIN), { kind: "none" });
  });

  test("one that was right is replaced once, by itself only, while nobody set another, not even the same", async () => {
    await set(awa);
    await set(modou);
    const proofOf = async (person: Person) => {
      const checked = await pins.check(person, PIN);
      return checked.kind === "ok" ? checked.proven : assert.fail();
    };
    const replace = (proven: string) =>
      tables.geo.inTenant(awa.tenantId, (tx) => pins.replace(tx, awa, "8642", proven));
    const current = () => tables.geo.inTenant(awa.tenantId, (tx) => pins.current(tx, awa));
    assert.equal(await replace(await proofOf(modou)), false);
    const stale = await proofOf(awa);
    await set(awa);
    assert.equal(await replace(stale), false);
    assert.equal((await pins.check(awa, PIN)).kind, "ok");
    const proven = await proofOf(awa);
    assert.equal(await current(), proven);
    assert.equal(await replace(proven), true);
    assert.equal((await pins.check(awa, "8642")).kind, "ok");
    assert.equal(await replace(proven), false);
    assert.equal(await replace(NO_PIN), false);
    await tables.owner.query("delete from ussd_pins");
    assert.equal(await replace(proven), false);
    assert.equal(await current(), NO_PIN);
    assert.equal(await replace(NO_PIN), true);
    assert.equal((await pins.check(awa, "8642")).kind, "ok");
  });

  test("what is stored is sealed: no PIN opens it in another row, nor after a bit was changed", async () => {
    await set(awa);
    await set(modou, "7931");
    const [row] = await tables.rows<{ sealed: Buffer }>(
      "select sealed_hash as sealed from ussd_pins order by set_at, user_id limit 1",
    );
    assert.ok(row !== undefined && !row.sealed.toString("latin1").includes(PIN));
    await tables.owner.query(
      "update ussd_pins set sealed_hash = (select sealed_hash from ussd_pins where user_id = $2) where user_id = $1",
      userIds(),
    );
    await assert.rejects(pins.check(awa, "7931"), codeIs("VIG_CIPHERTEXT_INVALID"));
    await tables.owner.query(
      "update ussd_pins set sealed_hash = set_byte(sealed_hash, 90, get_byte(sealed_hash, 90) # 1)",
    );
    await assert.rejects(pins.check(modou, "7931"), codeIs("VIG_CIPHERTEXT_INVALID"));
  });

  test("it is still right under the next key, long after the rotation", async () => {
    await set(awa);
    nowMs = T0 + 400 * DAY_MS;
    assert.equal((await pins.check(awa, PIN)).kind, "ok");
  });
});

const userIds = () => [awa, modou].map((person) => rowOf(person).userId);

describe("five tries, then a lock that grows", () => {
  test("the fifth wrong try locks, and then not even the right PIN passes until its end", async () => {
    await set(awa);
    for (const left of [4, 3, 2, 1]) {
      assert.deepEqual(await pins.check(awa, WRONG), { kind: "wrong", triesLeft: left });
    }
    const untilMs = T0 + lockMs(0);
    assert.deepEqual(await pins.check(awa, WRONG), { kind: "locked", untilMs });
    nowMs = untilMs - 1;
    assert.deepEqual(await pins.check(awa, PIN), { kind: "locked", untilMs });
    nowMs = untilMs;
    assert.equal((await pins.check(awa, PIN)).kind, "ok");
  });

  test("each lock is longer than the one before; a right PIN begins anew", async () => {
    await set(awa);
    // Of those between, the table below tells.
    for (const before of [0, 1, 6, 6]) {
      if (before === 6) await tables.owner.query("update ussd_pins set locks = 6");
      await fail(TRIES_MAX - 1);
      const untilMs = nowMs + lockMs(before);
      assert.deepEqual(await pins.check(awa, WRONG), { kind: "locked", untilMs });
      nowMs = untilMs;
    }
    assert.equal((await pins.check(awa, PIN)).kind, "ok");
    await fail(TRIES_MAX - 1);
    const untilMs = nowMs + lockMs(0);
    assert.deepEqual(await pins.check(awa, WRONG), { kind: "locked", untilMs });
  });

  test("tries side by side are no more than five", async () => {
    await set(awa);
    const answers = await Promise.all(Array.from({ length: 20 }, () => pins.check(awa, WRONG)));
    const kinds = answers.map(({ kind }) => kind);
    assert.equal(kinds.filter((kind) => kind === "wrong").length, TRIES_MAX - 1);
    assert.equal(kinds.filter((kind) => kind === "locked").length, 20 - (TRIES_MAX - 1));
    assert.equal((await pins.check(awa, PIN)).kind, "locked");
  });

  test("a try that a crash cut off counts", async () => {
    await set(awa);
    await tables.owner.query("update ussd_pins set sealed_hash = '\\x00'");
    for (let i = 0; i < TRIES_MAX; i += 1) await assert.rejects(pins.check(awa, PIN));
    assert.equal((await pins.check(awa, PIN)).kind, "locked");
  });

  test("a PIN that is set anew ends the lock", async () => {
    await set(awa);
    await fail(TRIES_MAX);
    await set(awa, "8642");
    assert.equal((await pins.check(awa, "8642")).kind, "ok");
  });

  test("the locks are as documented, and who guesses for a year has fewer than 100 tries", () => {
    const minutes = [0, 1, 2, 3, 4, 5, 6, 7].map((before) => lockMs(before) / MINUTE_MS);
    assert.deepEqual(minutes, [15, 60, 240, 960, 3_840, 15_360, 43_200, 43_200]);
    let [tries, ms] = [0, 0];
    for (let before = 0; ms < 365 * DAY_MS; before += 1) {
      tries += TRIES_MAX;
      ms += lockMs(before);
    }
    assert.equal(tries, 90);
  });
});

describe("reset codes", () => {
  const draw = () => tables.geo.inTenant(awa.tenantId, (tx) => codes.draw(tx, awa));
  const take = (code: string, person = awa) =>
    tables.geo.inTenant(person.tenantId, (tx) => codes.take(tx, person, code));
  const otherThan = (code: string) => (code === "00000000" ? "00000001" : "00000000");
  const NONE = { kind: "wrong", triesLeft: 0 };

  test("a code is right once, for its person, until its end", async () => {
    const { code, expiresAtMs } = await draw();
    assert.match(code, /^\d{8}$/);
    assert.equal(expiresAtMs, T0 + RESET_CODE_VALID_MS);
    assert.deepEqual(await take(code, modou), NONE);
    nowMs = expiresAtMs - 1;
    assert.deepEqual(await take(code), { kind: "ok" });
    assert.deepEqual(await take(code), NONE);
    const late = await draw();
    nowMs = late.expiresAtMs;
    assert.deepEqual(await take(late.code), NONE);
  });

  test("three tries, also side by side, then a new one must be drawn", async () => {
    const { code } = await draw();
    const answers = await Promise.all(Array.from({ length: 10 }, () => take(otherThan(code))));
    const left = answers.map((answer) => ("triesLeft" in answer ? answer.triesLeft : -1)).sort();
    assert.deepEqual(left, [0, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
    assert.equal(RESET_CODE_TRIES_MAX, 3);
    assert.deepEqual(await take(code), NONE);
    assert.deepEqual(await take((await draw()).code), { kind: "ok" });
  });

  test("the one that was drawn last counts; the table holds no code", async () => {
    const first = await draw();
    const second = await draw();
    const [row] = await tables.rows<{ hash: Buffer }>(
      "select code_hash as hash from ussd_reset_codes",
    );
    assert.ok(!row?.hash.toString("latin1").includes(second.code));
    if (first.code !== second.code) assert.equal((await take(first.code)).kind, "wrong");
    assert.deepEqual(await take(second.code), { kind: "ok" });
  });
});

test("PRV-14: what is set or drawn at the very moment of an erasure goes with it", async () => {
  const eraser = createEraser(noPersonCache);
  const erase = () =>
    tables.geo.inTenant(awa.tenantId, (tx) => eraser.subject(tx, awa, T0 + MINUTE_MS));
  const writes: ((tx: Queryable) => Promise<unknown>)[] = [
    (tx) => pins.set(tx, awa, PIN),
    (tx) => codes.draw(tx, awa),
  ];
  for (const write of writes) {
    let erasing: Promise<unknown> = Promise.resolve();
    await tables.geo.inTenant(awa.tenantId, async (tx) => {
      await write(tx);
      erasing = erase();
      await Promise.race([erasing, wait(200)]);
    });
    await erasing;
  }
  assert.deepEqual(await tables.rows("select user_id from ussd_pins"), []);
  assert.deepEqual(await tables.rows("select user_id from ussd_reset_codes"), []);
});
