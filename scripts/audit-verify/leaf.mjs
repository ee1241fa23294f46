import { fromBase64, hashFromBase64, sha256 } from "./bytes.mjs";
import { checkMembers, isCount, isObject, parseCanonical } from "./json.mjs";

const REQUIRED = [
  ...["v", "id", "tenant", "at", "recorded_at", "source", "emitter", "seq", "action", "actor"],
  ...["impersonator", "subject", "impersonated", "is_impersonation", "digest", "boxes"],
];
const OPTIONAL = ["payload", "payload_aside"];
const REF = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** iv and tag of AES-256-GCM. */
const SEAL_BYTES = 12 + 16;

/** The emitter of what the log writes of itself; no other leaf has it. */
export const SELF = "audit-sink";
export const KEY_DESTROYED = "subject.key_destroyed";
export const GAP_DETECTED = "audit.gap_detected";
const LOG_CONTINUED = "audit.log_continued";

/**
 * The leaf of its data.
 * Throws: an Error that says what is wrong with its shape. Its bytes are the tree's business.
 */
export function parseLeaf(text) {
  const leaf = parseCanonical(text);
  if (leaf.v !== 1) throw new Error(`it is of version ${JSON.stringify(leaf.v)}, not of 1`);
  checkMembers(leaf, REQUIRED, OPTIONAL);
  checkWords(leaf);
  checkPersons(leaf);
  if (leaf.payload_aside !== undefined) checkAside(leaf.payload_aside);
  if (!Array.isArray(leaf.boxes)) throw new Error("its boxes are no list");
  for (const [i, box] of leaf.boxes.entries()) {
    checkBox(box);
    if (i > 0 && leaf.boxes[i - 1].ref >= box.ref) throw new Error("its boxes are not sorted");
  }
  checkOwn(leaf);
  return leaf;
}

function checkWords(leaf) {
  for (const name of ["id", "tenant", "emitter", "action", "digest"]) {
    if (typeof leaf[name] !== "string") throw new Error(`its ${name} is no text`);
  }
  for (const name of ["at", "recorded_at", "seq"]) {
    if (!Number.isSafeInteger(leaf[name])) throw new Error(`its ${name} is no whole number`);
  }
  checkObject(leaf.source, "source", ["topic", "partition", "offset"]);
  if (typeof leaf.is_impersonation !== "boolean")
    throw new Error("its is_impersonation is no boolean");
}

function checkPersons(leaf) {
  for (const name of ["impersonator", "subject", "impersonated"]) {
    if (leaf[name] !== null && !isRef(leaf[name])) throw new Error(`its ${name} is no ref`);
  }
  const { actor } = leaf;
  const by = isObject(actor) && Object.hasOwn(actor, "ref") ? "ref" : "id";
  checkObject(actor, "actor", ["type", by]);
  if (by === "ref" && !isRef(actor.ref)) throw new Error("its actor is no ref");
}

function checkObject(value, name, members) {
  if (!isObject(value)) throw new Error(`its ${name} is no object`);
  checkMembers(value, members);
}

function checkAside(aside) {
  checkObject(aside, "payload_aside", ["commitment", "bytes"]);
  if (hashFromBase64(aside.commitment) === null || !isCount(aside.bytes)) {
    throw new Error("its payload_aside commits to nothing");
  }
}

function checkBox(box) {
  checkObject(box, "box", ["ref", "commitment", "sealed"]);
  if (!isRef(box.ref)) throw new Error("a box has no ref");
  if (hashFromBase64(box.commitment) === null) throw new Error("a box has no commitment");
  const sealed = fromBase64(box.sealed);
  if (sealed === null || sealed.length < SEAL_BYTES) throw new Error("a box is not sealed");
}

/** What the log itself wrote. */
function checkOwn({ emitter: by, action, payload }) {
  if (by !== SELF) return;
  if (action === KEY_DESTROYED && !isRef(payload?.ref)) throw new Error("it destroys no key");
  if (action === LOG_CONTINUED && typeof payload?.after !== "string") {
    throw new Error("it goes on from no log");
  }
  if (action !== GAP_DETECTED) return;
  const { emitter, from, to } = payload ?? {};
  const isRange = isCount(from) && (to === null || (isCount(to) && from <= to));
  if (typeof emitter !== "string" || !isRange) throw new Error("it tells of no gap");
}

/** Whether a leaf says which log this one follows. */
export const isContinuation = ({ emitter, action }) => emitter === SELF && action === LOG_CONTINUED;

const isRef = (value) => typeof value === "string" && REF.test(value);

/** Whether a box's plaintext is what the leaf commits to. */
export const isCommitted = (plaintext, commitment) =>
  typeof plaintext === "string" &&
  // What is half a character would be hashed as another one.
  plaintext.isWellFormed() &&
  sha256(plaintext).toString("base64") === commitment;

/** Whether a filter of an export means the leaf; members as docs/audit-format.md names them. */
export function passes(leaf, { tenant, ...rest }) {
  if (tenant !== undefined && leaf.tenant !== tenant) return false;
  return (
    leaf.action === KEY_DESTROYED ||
    Object.entries(rest).every(([name, value]) => means[name](leaf, value))
  );
}

const means = {
  action: (leaf, value) => leaf.action === value,
  actor: (leaf, value) => [leaf.actor.ref ?? leaf.actor.id, leaf.impersonator].includes(value),
  subject: (leaf, value) => [leaf.subject, leaf.impersonated].includes(value),
  impersonation: (leaf, value) => leaf.is_impersonation === value,
  from: (leaf, value) => leaf.at >= value,
  to: (leaf, value) => leaf.at < value,
};

const TYPES = {
  ...{ tenant: "string", action: "string", actor: "string", subject: "string" },
  ...{ impersonation: "boolean", from: "number", to: "number" },
};

/** Throws: an Error that says what is wrong with a filter. */
export function checkFilter(filter) {
  if (!isObject(filter)) throw new Error("its filter is no object");
  checkMembers(filter, [], Object.keys(TYPES));
  const members = Object.entries(filter);
  if (members.length === 0) throw new Error("its filter chooses nothing");
  for (const [name, value] of members) {
    if (typeof value !== TYPES[name]) throw new Error(`its filter's ${name} is no ${TYPES[name]}`);
  }
}
