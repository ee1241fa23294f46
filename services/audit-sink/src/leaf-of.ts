import { type BoxKey, boxAad, commitmentOf, sealBox } from "@vigie/audit-log/box";
import {
  LEAF_BYTES_MAX,
  type Leaf,
  type LeafActor,
  type LeafBox,
  leafBytes,
} from "@vigie/audit-log/leaf";
import { canonicalJson } from "@vigie/core/canonical-json";
import { asideAad } from "@vigie/service-kit/audit/subjects";
import type { AuditEntry } from "./entry.ts";

/** What stands for a person in leaves, and what seals what is known of them. */
export interface Subject {
  readonly ref: string;
  readonly key: BoxKey;
}

/** `userId` is one of personsOf. */
export type SubjectOf = (userId: string) => Subject;

/** The payload that did not fit its leaf: sealed as a box is, or in clear where it is about no person. */
export interface Aside {
  readonly ref: string | null;
  readonly bytes: Buffer;
}

export interface MadeLeaf {
  readonly bytes: Buffer;
  readonly aside: Aside | null;
}

/** Actors that are no persons; their id stands in clear. */
const SERVICES: readonly string[] = ["SYSTEM", "POLICY"];

/** Users, administrators, and services as far as it is known where they were. */
export function personsOf(entry: AuditEntry): readonly string[] {
  const { impersonatorId, subjectUserId, impersonatedUserId } = entry;
  const actor = isService(entry) && !hasClient(entry) ? null : entry.actorId;
  return [actor, impersonatorId, subjectUserId, impersonatedUserId].filter((id) => id !== null);
}

const isService = ({ actorType }: AuditEntry): boolean => SERVICES.includes(actorType);
const hasClient = ({ ip, userAgent }: AuditEntry): boolean => ip !== null || userAgent !== null;

/** The leaf of an entry: a pure function of it, of the digest of its identity and of the keys. */
export function leafOf(entry: AuditEntry, digest: string, subjectOf: SubjectOf): MadeLeaf {
  const { subjectUserId, payload } = entry;
  const placed: Placed = subjectUserId === null ? { inLeaf: { payload } } : { inBox: { payload } };
  const bytes = bytesOf(leafWith(placed, entry, { digest, subjectOf }));
  if (bytes.length <= LEAF_BYTES_MAX) return { bytes, aside: null };
  const { payload_aside, aside } = setAside(entry, subjectOf);
  const leaf = leafWith({ inLeaf: { payload_aside } }, entry, { digest, subjectOf });
  return { bytes: bytesOf(leaf), aside };
}

/** Where the payload goes: into the leaf, or into the subject's box. */
interface Placed {
  readonly inLeaf?: Pick<Leaf, "payload" | "payload_aside">;
  readonly inBox?: Fields;
}

interface Made {
  readonly digest: string;
  readonly subjectOf: SubjectOf;
}

/** Members stand in canonical order, in parts as well. */
function leafWith({ inLeaf, inBox }: Placed, entry: AuditEntry, { digest, subjectOf }: Made): Leaf {
  const boxes = new Boxes(subjectOf);
  const actor = actorOf(entry, boxes);
  const impersonator = boxes.add(entry.impersonatorId, "impersonator_id");
  const subject = boxes.add(entry.subjectUserId, "subject_user_id", inBox);
  const impersonated = boxes.add(entry.impersonatedUserId, "impersonated_user_id");
  const { topic, partition, offset, timestampMs } = entry.origin;
  return {
    action: entry.action,
    actor,
    at: entry.occurredAtMs,
    boxes: boxes.seal(entry),
    digest,
    emitter: entry.emitter,
    id: entry.eventId,
    impersonated,
    impersonator,
    is_impersonation: entry.isImpersonation,
    ...inLeaf,
    recorded_at: timestampMs,
    seq: entry.emitterSeq,
    source: { offset, partition, topic },
    subject,
    tenant: entry.tenantKey,
    v: 1,
  };
}

/** Of a leaf in canonical order the plain writer gives the same bytes in a third of the time. */
const bytesOf = (leaf: Leaf): Buffer =>
  leaf.payload === undefined ? Buffer.from(JSON.stringify(leaf)) : leafBytes(leaf);

/** CNF-02, AUD-04: where an actor was and with what is for their box only. */
function actorOf(entry: AuditEntry, boxes: Boxes): LeafActor {
  const { actorType: type, actorId: id, ip, userAgent } = entry;
  if (isService(entry) && !hasClient(entry)) return { id, type };
  const client: Record<string, string> = {};
  if (ip !== null) client.ip = ip;
  if (userAgent !== null) client.user_agent = userAgent;
  const ref = boxes.add(id, "actor_id", client);
  return isService(entry) || ref === null ? { id, type } : { ref, type };
}

type Fields = Readonly<Record<string, unknown>>;

interface FilledBox {
  readonly subject: Subject;
  readonly fields: Record<string, unknown>;
}

/** One box a person, whatever the number of their parts. */
class Boxes {
  private readonly subjectOf: SubjectOf;
  private readonly filled: FilledBox[] = [];

  constructor(subjectOf: SubjectOf) {
    this.subjectOf = subjectOf;
  }

  /** Returns: the person's ref. */
  add(userId: string | null, part: string, more?: Fields): string | null {
    if (userId === null) return null;
    const subject = this.subjectOf(userId);
    const { fields } = this.boxOf(subject);
    fields[part] = userId;
    if (more !== undefined) Object.assign(fields, more);
    return subject.ref;
  }

  seal({ tenantKey: tenant, eventId }: AuditEntry): readonly LeafBox[] {
    const boxes = this.filled.map(({ subject: { ref, key }, fields }) => {
      const { commitment, sealed } = sealBox(key, fields, boxAad({ tenant, eventId, ref }));
      return { commitment, ref, sealed };
    });
    return boxes.sort((one, other) => (one.ref < other.ref ? -1 : 1));
  }

  private boxOf(subject: Subject): FilledBox {
    for (const box of this.filled) if (box.subject.ref === subject.ref) return box;
    const box = { subject, fields: {} };
    this.filled.push(box);
    return box;
  }
}

/** iv and tag, before what is sealed. Source: docs/audit-format.md, a box. */
const SEAL_BYTES = 12 + 16;

function setAside(
  { tenantKey, eventId, subjectUserId, payload }: AuditEntry,
  subjectOf: SubjectOf,
) {
  if (subjectUserId === null) {
    const bytes = Buffer.from(canonicalJson({ payload }));
    const payload_aside = { bytes: bytes.length, commitment: commitmentOf(bytes) };
    return { payload_aside, aside: { ref: null, bytes } };
  }
  const { ref, key } = subjectOf(subjectUserId);
  const { commitment, sealed } = sealBox(key, { payload }, asideAad(tenantKey, eventId, ref));
  const bytes = Buffer.from(sealed, "base64");
  return {
    payload_aside: { bytes: bytes.length - SEAL_BYTES, commitment },
    aside: { ref, bytes },
  };
}
