import type { BoxFields } from "@vigie/audit-log/box";
import type { Leaf, LeafActor } from "@vigie/audit-log/leaf";
import type { OpenedLeaf } from "@vigie/service-kit/audit/subjects";
import { Type } from "typebox";

/** The shapes of answers, and leaves as such. */

const nullable = (type: "string", description: string) =>
  Type.Unsafe<string | null>({ type: [type, "null"], description });
const anything = (description: string) => Type.Unsafe<unknown>({ description });
const ref = (whom: string) => nullable("string", `${whom}, by ref`);

const personSchema = Type.Object({
  ref: Type.String({ format: "uuid" }),
  state: Type.Enum(["opened", "erased", "sealed"], {
    description: "erased: the key is gone; sealed: this edge has no keys",
  }),
  data: anything("what the entry holds of the person; null unless opened"),
});

export const entrySchema = Type.Object({
  index: Type.Integer({ description: "of the leaf, from 0 on" }),
  event_id: Type.String(),
  tenant_id: Type.String({ description: "as tokens name it" }),
  occurred_at: Type.String({ format: "date-time", description: "at the source" }),
  recorded_at: Type.String({ format: "date-time", description: "by the broker's clock" }),
  emitter: Type.String(),
  emitter_seq: Type.Integer(),
  action: Type.String(),
  actor: Type.Object({
    type: Type.String({ description: "USER, ADMIN, SYSTEM, POLICY" }),
    ref: ref("a person"),
    id: nullable("string", "a service or policy"),
  }),
  impersonator: ref("who acted as somebody else"),
  subject: ref("whom it is about"),
  impersonated: ref("who was impersonated"),
  is_impersonation: Type.Boolean(),
  payload: anything("null while it is sealed or erased"),
  persons: Type.Array(personSchema),
});

export const searchSchema = Type.Object({
  entries: Type.Array(entrySchema),
  next: nullable("string", "cursor of the next page; null at the end"),
  searched_to: Type.Integer({
    description: "entries below this index were searched; newer ones come within a moment",
  }),
});

const base64 = (description: string) => Type.String({ description: `${description}, base64` });
const size = (description: string) => Type.Integer({ description });
const proof = Type.Array(Type.String(), { description: "hashes from leaf to root, base64" });

export const wholeEntrySchema = Type.Object({
  entry: entrySchema,
  leaf: Type.String({ description: "what was hashed: canonical JSON" }),
  leaf_hash: base64("SHA-256 of 0x00 and the leaf"),
  signature: base64("HMAC-SHA-256 of the leaf hash"),
  key_id: Type.String({ description: "which secret signed it" }),
  opened: Type.Record(Type.String(), Type.String(), {
    description: "plaintexts of boxes by ref, as their commitments have it",
  }),
  tree_size: size("leaves of the tree that proof and checkpoint are of"),
  proof,
  checkpoint: Type.String({ description: "the signed note" }),
});

export const inclusionSchema = Type.Object({
  index: size("of the leaf"),
  size: size("leaves of the tree"),
  root: base64("of the tree"),
  leaf_hash: base64("of the leaf"),
  proof,
});

export const consistencySchema = Type.Object({
  first: size("leaves of the earlier tree"),
  second: size("leaves of the later tree"),
  first_root: base64("of the earlier tree"),
  second_root: base64("of the later tree"),
  proof,
});

export interface ReadLeaf {
  readonly index: number;
  readonly leaf: Leaf;
  readonly opened: OpenedLeaf;
}

/** An entry in words. `canOpen`: whether a box that is not open is one whose key is gone. */
export function entryAnswer({ index, leaf, opened }: ReadLeaf, canOpen: boolean) {
  const persons = leaf.boxes.map(({ ref: of }) => personAnswer(of, opened.boxes[of], canOpen));
  return {
    index,
    event_id: leaf.id,
    tenant_id: leaf.tenant,
    occurred_at: instant(leaf.at),
    recorded_at: instant(leaf.recorded_at),
    emitter: leaf.emitter,
    emitter_seq: leaf.seq,
    action: leaf.action,
    actor: actorAnswer(leaf.actor),
    impersonator: leaf.impersonator,
    subject: leaf.subject,
    impersonated: leaf.impersonated,
    is_impersonation: leaf.is_impersonation,
    payload: payloadOf(leaf, opened, persons),
    persons: persons.map(({ ref: of, state, data }) => ({ ref: of, state, data: rest(data) })),
  };
}

/** Source: ECMAScript, 21.4.1.1: what a Date can hold. What was said is in the leaf. */
const INSTANT_MAX_MS = 8.64e15;
const instant = (ms: number): string =>
  new Date(Math.min(INSTANT_MAX_MS, Math.max(-INSTANT_MAX_MS, ms))).toISOString();

type Person = ReturnType<typeof personAnswer>;

function personAnswer(of: string, plaintext: string | undefined, canOpen: boolean) {
  if (plaintext === undefined) {
    return { ref: of, state: canOpen ? "erased" : "sealed", data: null };
  }
  return { ref: of, state: "opened", data: fieldsOf(plaintext) };
}

/** A box has its salt beside the fields; a payload aside that is about nobody has neither. */
function fieldsOf(plaintext: string): BoxFields {
  const parsed = JSON.parse(plaintext) as { readonly fields?: BoxFields } & BoxFields;
  return parsed.fields ?? parsed;
}

/** The payload stands by itself. */
function rest(data: Person["data"]): Person["data"] {
  if (data === null) return null;
  const { payload: _, ...others } = data;
  return others;
}

/** In the leaf, aside, or in the box of whom it is about. */
function payloadOf(leaf: Leaf, { aside }: OpenedLeaf, persons: readonly Person[]): unknown {
  if (leaf.payload !== undefined) return leaf.payload;
  if (aside !== null) return fieldsOf(aside).payload;
  return persons.find(({ ref: of }) => of === leaf.subject)?.data?.payload ?? null;
}

const actorAnswer = (actor: LeafActor) => ({
  type: actor.type,
  ref: "ref" in actor ? actor.ref : null,
  id: "id" in actor ? actor.id : null,
});
