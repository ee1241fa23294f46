import { createHmac, generateKeyPairSync, hash, randomBytes } from "node:crypto";
import { type BoxKey, boxAad, boxKeyOf, openBox, sealBox } from "@vigie/audit-log/box";
import { formatCheckpoint } from "@vigie/audit-log/checkpoint";
import { type Leaf, leafBytes } from "@vigie/audit-log/leaf";
import { createSigner, formatVerifierKey, signNote } from "@vigie/audit-log/note";
import { appendLeaves, EMPTY_FRONTIER, leafHash, rootOf } from "@vigie/audit-log/tree";
import type { SignedTree, StoredLeaf } from "@vigie/service-kit/audit/export";
import type { OpenedLeaf } from "@vigie/service-kit/audit/subjects";
import { nameUuid, uuidOf } from "@vigie/service-kit/ids";
import { NOW_MS } from "../test-edge.ts";
import { memoryLog } from "./memory-log.ts";

/** Logs for tests, as the sink writes them. */

export const ORIGIN = "audit.example.org";
export const TENANT = "molam-sn";
const SECRET_BYTES = 32;

const logKey = createSigner({
  name: ORIGIN,
  privateKey: generateKeyPairSync("ed25519").privateKey,
});
export const VERIFIER_KEY = formatVerifierKey(logKey.key);

export interface LeafWanted {
  readonly tenant?: string;
  readonly action?: string;
  /** Relative to the test's now. */
  readonly atMs?: number;
  /** A person; unset: the service "sessions". */
  readonly actor?: string;
  readonly subject?: string;
  /** Whom the actor impersonates. */
  readonly impersonated?: string;
  readonly payload?: unknown;
  /** Written by the log itself. */
  readonly isOwn?: boolean;
}

export interface Subject {
  readonly tenant: string;
  readonly user: string;
  readonly ref: string;
  readonly secret: Buffer;
}

/** A log that grows. */
export class TestLog {
  readonly leaves: StoredLeaf[] = [];
  readonly parsed: Leaf[] = [];
  readonly subjects = new Map<string, Subject>();
  /** Plaintexts by leaf and ref, also of who was erased since. */
  readonly #plaintexts = new Map<string, Map<string, string>>();

  add(wanted: LeafWanted = {}): this {
    const { tenant = TENANT, action = "session.revoked", atMs = -1_000, isOwn = false } = wanted;
    const index = this.leaves.length;
    const id = `event-${index}`;
    const { actor, subject, impersonated, payload = { n: index } } = wanted;
    const people = new Map<string, Record<string, unknown>>();
    const add = (user: string | undefined, fields: Record<string, unknown>): string | null => {
      if (user === undefined) return null;
      people.set(user, { ...people.get(user), ...fields });
      return this.subjectOf(tenant, user).ref;
    };
    const actorRef = add(actor, { actor_id: actor, ip: "41.82.0.17", user_agent: "Molam/4.12" });
    const subjectRef = add(subject, { subject_user_id: subject, payload });
    const impersonatedRef = add(impersonated, { impersonated_user_id: impersonated });
    return this.push({
      v: 1,
      id,
      tenant,
      at: NOW_MS + atMs,
      recorded_at: NOW_MS + atMs + 5,
      source: { topic: isOwn ? "id.subject.erasure" : "id.audit", partition: 0, offset: index },
      emitter: isOwn ? "audit-sink" : "edge.a.1",
      seq: index + 1,
      action,
      actor:
        actorRef === null ? { type: "SYSTEM", id: "sessions" } : { type: "ADMIN", ref: actorRef },
      impersonator: impersonatedRef === null ? null : actorRef,
      subject: subjectRef,
      impersonated: impersonatedRef,
      is_impersonation: impersonatedRef !== null,
      digest: hash("sha256", id, "base64"),
      ...(subjectRef === null && { payload }),
      boxes: [...people]
        .map(([user, fields]) => this.#box(this.subjectOf(tenant, user), fields, id))
        .sort((one, other) => (one.ref < other.ref ? -1 : 1)),
    });
  }

  push(leaf: Leaf): this {
    const bytes = leafBytes(leaf);
    const signature = createHmac("sha256", "secret").update(leafHash(bytes)).digest();
    this.leaves.push({ index: this.leaves.length, leaf: bytes, signature, keyId: "k1" });
    this.parsed.push(leaf);
    return this;
  }

  /** The person's key is destroyed, and a leaf says so. */
  erase(tenant: string, user: string): this {
    const { ref } = this.subjectOf(tenant, user);
    this.subjects.delete(`${tenant}|${user}`);
    return this.add({ tenant, action: "subject.key_destroyed", payload: { ref }, isOwn: true });
  }

  subjectOf(tenant: string, user: string): Subject {
    const name = `${tenant}|${user}`;
    const known = this.subjects.get(name);
    if (known !== undefined) return known;
    const ref = nameUuid(tenant, "subject", user);
    const subject = { tenant, user, ref, secret: randomBytes(SECRET_BYTES) };
    this.subjects.set(name, subject);
    return subject;
  }

  #box({ tenant, ref, secret }: Subject, fields: Record<string, unknown>, id: string) {
    const key: BoxKey = boxKeyOf(secret);
    const aad = boxAad({ tenant, eventId: id, ref });
    const box = sealBox(key, fields, aad);
    const held = this.#plaintexts.get(id) ?? new Map<string, string>();
    this.#plaintexts.set(id, held.set(ref, openBox(key, box, aad).plaintext));
    return { ref, ...box };
  }

  /** What can be opened of a leaf now. */
  opened(leafId: string): OpenedLeaf {
    const refs = new Set([...this.subjects.values()].map(({ ref }) => ref));
    const held = [...(this.#plaintexts.get(leafId) ?? [])].filter(([ref]) => refs.has(ref));
    return { boxes: Object.fromEntries(held), aside: null };
  }

  /** Of the first `size` leaves; unset: of all. */
  signed(size = this.leaves.length): SignedTree & { readonly root: Buffer } {
    const hashes = this.leaves.slice(0, size).map(({ leaf }) => leafHash(leaf));
    const root = rootOf(appendLeaves(EMPTY_FRONTIER, hashes).frontier);
    const text = formatCheckpoint({ origin: ORIGIN, size: BigInt(size), root });
    return { origin: ORIGIN, size, note: signNote(text, [logKey]), root };
  }

  /** The log in memory; `size`: of the newest signed tree. */
  inMemory({ size, canOpen = true }: { readonly size?: number; readonly canOpen?: boolean } = {}) {
    const refs = [...this.subjects.values()].flatMap(({ tenant, user, ref }) => [
      [`${tenant}|${user}`, ref] as const,
      [`${tenant}|${uuidOf(tenant, "user", user)}`, ref] as const,
    ]);
    return memoryLog({
      leaves: this.leaves,
      tree: size === 0 ? null : this.signed(size),
      refs: new Map(refs),
      opened: (id) => this.opened(id),
      canOpen,
    });
  }
}

/** A small log of two tenants with people, an erased one, and an impersonation. */
export const smallLog = (): TestLog =>
  new TestLog()
    .add({ actor: "adm_1", subject: "usr_1", atMs: -6_000, payload: { reason: "lost_phone" } })
    .add({ tenant: "molam-ci", actor: "adm_9", subject: "usr_1", atMs: -5_000 })
    .add({ action: "policy.updated", actor: "adm_1", atMs: -4_000, payload: { version: 2 } })
    .add({ actor: "adm_2", impersonated: "usr_2", subject: "usr_2", atMs: -3_000 })
    .add({ subject: "usr_3", atMs: -2_000, payload: { secret: "gone" } })
    .erase(TENANT, "usr_3");
