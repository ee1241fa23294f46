import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { test } from "vitest";
import { nameUuid, tenantUuid, uuidOf } from "./ids.ts";

const V5 = /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test("CNF-10: a UUID stays itself in lower case, another id gets a name-based one", () => {
  const uuid = "0C8B7E4A-5B1D-4F3E-9A2C-1D2E3F4A5B6C";
  assert.equal(uuidOf("molam-sn", "session", uuid), uuid.toLowerCase());
  assert.match(uuidOf("molam-sn", "session", "42"), V5);
});

test("an id is the SHA-1 of namespace and name, with version and variant set", () => {
  const namespace = Buffer.from("6b1f5a0e4c3d5e8f9a7b2d4c6e8f0a1b", "hex");
  const hex = createHash("sha1").update(namespace).update("molam-sn|user|42").digest("hex");
  const got = nameUuid("molam-sn", "user", "42").replaceAll("-", "");
  assert.equal(got.slice(0, 12), hex.slice(0, 12));
  assert.equal(got[12], "5");
  assert.equal(got.slice(13, 16), hex.slice(13, 16));
  assert.equal(got.slice(17), hex.slice(17, 32));
});

test("ids differ by tenant, kind and id, and never change", () => {
  const name = fc.string({ minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(name, (id) => {
      const ids = new Set([
        nameUuid("a", "user", id),
        nameUuid("b", "user", id),
        nameUuid("a", "session", id),
        nameUuid("a", "user", `${id}x`),
      ]);
      assert.equal(ids.size, 4);
      for (const each of ids) assert.match(each, V5);
    }),
  );
  // Rows of running installations have this id.
  assert.equal(tenantUuid("molam-sn"), "5fd2cb20-8966-5b3a-9d17-0c54686d49ac");
});
