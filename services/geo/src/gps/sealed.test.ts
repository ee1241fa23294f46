import assert from "node:assert/strict";
import { createDecipheriv } from "node:crypto";
import { DAY_MS } from "@vigie/core/time";
import { derivedKeys } from "@vigie/service-kit/kms/derived-keys";
import { codeIs } from "@vigie/service-kit/kms/keys.suite";
import fc from "fast-check";
import { test } from "vitest";
import type { Person } from "../person.ts";
import type { Position } from "./position.ts";
import { openPosition, sealPosition } from "./sealed.ts";

const T0 = Date.UTC(2026, 0, 5, 10);
const secret = (fill: number) => Buffer.alloc(32, fill);
const first = { keyId: "k1", activeFromMs: T0, secret: secret(1) };
const keys = derivedKeys([first], () => T0);

const awa: Person = { tenantId: "molam-sn", userId: "awa" };
const ROW = "5f0c1b9e-6f0e-4f5e-9d3b-0d8e1c7a2b40";
const DAKAR: Position = { lat: 14.6928, lon: -17.4467, accuracyM: 10, capturedAtMs: T0 };
const refused = codeIs("VIG_CIPHERTEXT_INVALID");

const within = (max: number) => fc.double({ min: -max, max, noNaN: true });
const positions = fc.record(
  {
    lat: within(90),
    lon: within(180),
    accuracyM: fc.option(fc.double({ min: 0, max: 1e7, noNaN: true })),
    capturedAtMs: fc.integer({ min: 0, max: 253_402_300_799_999 }),
  },
  { noNullPrototype: true },
);

test("PRV-09: what is sealed opens as it was", () => {
  const property = fc.property(positions, fc.uuid(), (position, row) => {
    const sealed = sealPosition(keys, awa, row, position);
    assert.deepEqual(openPosition(keys, awa, row, sealed), position);
  });
  fc.assert(property);
});

test("PRV-09: what is stored is iv (12), tag (16), ciphertext of AES-256-GCM under the row's own key", () => {
  const { sealed, wrappedKey } = sealPosition(keys, awa, ROW, DAKAR);
  const context = `molam-sn|awa|${ROW}`;
  const dataKey = keys.decrypt("geo.gps", wrappedKey, context);
  assert.equal(dataKey.length, 32);
  const decipher = createDecipheriv("aes-256-gcm", dataKey, sealed.subarray(0, 12));
  decipher.setAuthTag(sealed.subarray(12, 28)).setAAD(Buffer.from(context));
  const opened = Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]);
  assert.deepEqual([opened.readDoubleBE(1), opened.readDoubleBE(9)], [DAKAR.lat, DAKAR.lon]);
});

test("two rows of one position have nothing in common, and every row is as long as any other", () => {
  const rows = [DAKAR, DAKAR, { ...DAKAR, lat: 0, lon: 0, accuracyM: null }].map((position) =>
    sealPosition(keys, awa, ROW, position),
  );
  const dataKeys = rows.map(({ wrappedKey }) =>
    keys.decrypt("geo.gps", wrappedKey, `molam-sn|awa|${ROW}`).toString("hex"),
  );
  assert.equal(new Set(dataKeys).size, rows.length);
  assert.equal(new Set(rows.map(({ sealed }) => sealed.toString("hex"))).size, rows.length);
  assert.equal(new Set(rows.map(({ sealed }) => sealed.length)).size, 1);
  for (const { sealed, wrappedKey } of rows) {
    const bytes = Buffer.concat([sealed, wrappedKey]).toString("latin1");
    assert.doesNotMatch(bytes, /14\.69|-17\.44/);
  }
});

test("a bit that is changed anywhere, and bytes that are missing, are refused", () => {
  const whole = sealPosition(keys, awa, ROW, DAKAR);
  const broken = (part: keyof typeof whole, bytes: Buffer) => () =>
    openPosition(keys, awa, ROW, { ...whole, [part]: bytes });
  for (let at = 0; at < whole.sealed.length * 8; at++) {
    assert.throws(broken("sealed", flipped(whole.sealed, at)), refused);
  }
  // Of the wrapped key, bits that name another key are refused as such.
  const either = (thrown: unknown) => refused(thrown) || codeIs("VIG_KEY_UNKNOWN")(thrown);
  for (let at = 0; at < whole.wrappedKey.length * 8; at++) {
    assert.throws(broken("wrappedKey", flipped(whole.wrappedKey, at)), either);
  }
  for (const part of ["sealed", "wrappedKey"] as const) {
    for (let end = 0; end < whole[part].length; end++) {
      assert.throws(broken(part, whole[part].subarray(0, end)), refused);
    }
  }
});

function flipped(bytes: Buffer, bit: number): Buffer {
  const changed = Buffer.from(bytes);
  const at = bit >> 3;
  changed.writeUInt8(changed.readUInt8(at) ^ (1 << (bit & 7)), at);
  return changed;
}

test("another row's key or ciphertext, another person, tenant and row are refused", () => {
  const mine = sealPosition(keys, awa, ROW, DAKAR);
  const others = sealPosition(keys, { ...awa, userId: "modou" }, ROW, DAKAR);
  const open = (row: typeof mine, person = awa, id = ROW) => openPosition(keys, person, id, row);
  assert.throws(() => open({ ...mine, sealed: others.sealed }), refused);
  assert.throws(() => open({ ...mine, wrappedKey: others.wrappedKey }), refused);
  assert.throws(() => open(others), refused);
  assert.throws(() => open(mine, { ...awa, userId: "modou" }), refused);
  assert.throws(() => open(mine, { ...awa, tenantId: "molam-ci" }), refused);
  assert.throws(() => open(mine, awa, ROW.replace("5", "6")), refused);
});

test("other platform keys are refused; a rotation leaves open what was sealed before it", () => {
  const sealed = sealPosition(keys, awa, ROW, DAKAR);
  const foreign = derivedKeys([{ ...first, secret: secret(9) }], () => T0);
  assert.throws(() => openPosition(foreign, awa, ROW, sealed), refused);
  const renamed = derivedKeys([{ ...first, keyId: "k7" }], () => T0);
  assert.throws(() => openPosition(renamed, awa, ROW, sealed), codeIs("VIG_KEY_UNKNOWN"));
  const second = { keyId: "k2", activeFromMs: T0 + DAY_MS, secret: secret(2) };
  const rotated = derivedKeys([first, second], () => T0 + 2 * DAY_MS);
  assert.deepEqual(openPosition(rotated, awa, ROW, sealed), DAKAR);
});

test("a position out of range is not sealed", () => {
  for (const wrong of [{ lat: 90.1 }, { lon: -181 }, { lat: Number.NaN }]) {
    const seal = () => sealPosition(keys, awa, ROW, { ...DAKAR, ...wrong });
    assert.throws(seal, codeIs("VIG_INVARIANT"));
  }
});
