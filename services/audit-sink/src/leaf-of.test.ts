import { boxAad, boxKeyOf, openBox } from "@vigie/audit-log/box";
import { LEAF_BYTES_MAX, leafBytes, parseLeaf } from "@vigie/audit-log/leaf";
import type { AuditEvent } from "@vigie/schemas/types";
import fc from "fast-check";
import { expect, test } from "vitest";
import { entryOfAudit } from "./entry.ts";
import { leafOf, personsOf, type Subject } from "./leaf-of.ts";
import { auditEvent, T0 } from "./testing.ts";

const origin = { topic: "id.audit", partition: 2, offset: 7, timestampMs: T0 + 9 };

/** A ref of its own for each user, in no order of theirs. */
function subjectOf(userId: string): Subject {
  const bytes = Buffer.alloc(32, `${userId}|`);
  return { ref: `ref-${bytes.reverse().toString("hex", 0, 4)}`, key: boxKeyOf(bytes) };
}
const made = (event: AuditEvent) => leafOf(entryOfAudit(event, origin), "digest", subjectOf);

const id = fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" });
const person = fc.oneof(id, fc.constant("u-1"));
const event = fc.record({
  event_id: id,
  occurred_at: fc.maxSafeInteger(),
  action: id,
  actor: fc.record({
    type: fc.constantFrom("USER" as const, "ADMIN", "SYSTEM", "POLICY", "UNKNOWN"),
    id: person,
    impersonator_id: fc.option(person),
    ip: fc.option(fc.ipV4()),
    user_agent: fc.option(id),
  }),
  subject_user_id: fc.option(person),
  impersonated_user_id: fc.option(person),
  is_impersonation: fc.boolean(),
  payload: fc.oneof(fc.json(), fc.string()),
});

test("a leaf's bytes are canonical, and the same each time", () => {
  fc.assert(
    fc.property(event, (over) => {
      const { bytes, aside } = made(auditEvent(1, over));
      expect(aside).toBeNull();
      expect(leafBytes(parseLeaf(bytes))).toEqual(bytes);
      expect(made(auditEvent(1, over)).bytes).toEqual(bytes);
    }),
  );
});

test("whoever is a person is in their box only, one box each", () => {
  fc.assert(
    fc.property(event, (over) => {
      const entry = entryOfAudit(auditEvent(1, over), origin);
      const leaf = parseLeaf(made(auditEvent(1, over)).bytes);
      const refs = new Set(personsOf(entry).map((userId) => subjectOf(userId).ref));
      expect(leaf.boxes.map(({ ref }) => ref)).toEqual([...refs].sort());
      const { subjectUserId } = entry;
      if (subjectUserId === null) return;
      const { ref, key } = subjectOf(subjectUserId);
      const box = leaf.boxes.find((each) => each.ref === ref);
      const at = { tenant: leaf.tenant, eventId: leaf.id, ref };
      const { fields } = openBox(key, box as never, boxAad(at));
      expect(fields.subject_user_id).toBe(subjectUserId);
      expect(leaf.payload).toBeUndefined();
    }),
  );
});

test("AUD-03: a service stands in clear, and where it was in a box", () => {
  const actor = { ...auditEvent(1).actor, type: "SYSTEM" as const, id: "billing" };
  const leaf = parseLeaf(made(auditEvent(1, { actor, subject_user_id: null })).bytes);
  expect(leaf.actor).toEqual({ type: "SYSTEM", id: "billing" });
  expect(leaf.boxes.map(({ ref }) => ref)).toEqual([subjectOf("billing").ref]);
  const bare = { ...actor, ip: null, user_agent: null };
  expect(
    parseLeaf(made(auditEvent(1, { actor: bare, subject_user_id: null })).bytes).boxes,
  ).toEqual([]);
});

test("a leaf of the largest size holds its payload; one byte more, and it lies aside", () => {
  const clear = (length: number) =>
    made(auditEvent(1, { subject_user_id: null, payload: JSON.stringify("x".repeat(length)) }));
  const room = LEAF_BYTES_MAX - clear(0).bytes.length;
  expect(clear(room)).toMatchObject({ aside: null, bytes: { length: LEAF_BYTES_MAX } });
  expect(clear(room + 1).aside).not.toBeNull();
  expect(clear(room + 1).bytes.length).toBeLessThan(2_048);
});

test("no record makes a leaf that does not fit an entry bundle, wherever it is long", () => {
  // Three bytes each; a quote takes two in JSON.
  const [wide, quoted] = ["\uffee", '"'];
  for (const unit of [wide, quoted]) {
    const name = (n: number, length: number) => `${n}${unit.repeat(length - 1)}`;
    const actor = {
      type: "ADMIN" as const,
      id: name(1, 255),
      impersonator_id: name(2, 128),
      ip: name(3, 64),
      user_agent: unit.repeat(500_000),
    };
    const { bytes, aside } = made(
      auditEvent(1, {
        event_id: name(4, 128),
        emitter: name(5, 255),
        action: name(6, 128),
        actor,
        subject_user_id: name(7, 128),
        impersonated_user_id: name(8, 128),
        payload: unit.repeat(900_000),
      }),
    );
    expect(aside).not.toBeNull();
    expect(bytes.length).toBeLessThanOrEqual(LEAF_BYTES_MAX);
  }
});
