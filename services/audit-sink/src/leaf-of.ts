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
  const bytes = leafBytes(leafWith(placed(entry), entry, { digest, subjectOf }));
  if (bytes.length <= LEAF_BYTES_MAX) return { bytes, aside: null };
  const { payload_aside, aside } = setAside(entry, subjectOf);
  const leaf = leafWith({ leaf: { payload_aside } }, entry, { digest, subjectOf });
  return { bytes: leafBytes(leaf), aside };
}

/** Where the payload goes: into the leaf, or into the subject's box. */
interface Placed {
  readonly leaf?: Pick<Leaf, "payload" | "payload_aside">;
  readonly box?: Fields;
}

const placed = ({ subjectUserId, payload }: AuditEntry): Placed =>
  subjectUserId === null ? { leaf: { payload } } : { box: { payload } };

interface Made {
  readonly digest: string;
  readonly subjectOf: SubjectOf;
}

function leafWith(payload: Placed, entry: AuditEntry, { digest, subjectOf }: Made): Leaf {
  const boxes = new Boxes(subjectOf);
  const { topic, partition, offset, timestampMs } = entry.origin;
  return {
    v: 1,
    id: entry.eventId,
    tenant: entry.tenantKey,
    at: entry.occurredAtMs,
    recorded_at: timestampMs,
    source: { topic, partition, offset },
    emitter: entry.emitter,
    seq: entry.emitterSeq,
    action: entry.action,
    actor: actorOf(entry, boxes),
    impersonator: boxes.add(entry.impersonatorId, "impersonator_id"),
    subject: boxes.add(entry.subjectUserId, "subject_user_id", payload.box),
    impersonated: boxes.add(entry.impersonatedUserId, "impersonated_user_id"),
    is_impersonation: entry.isImpersonation,
    digest,
    ...payload.leaf,
    boxes: boxes.seal(entry),
  };
}

/** CNF-02, AUD-04: where an actor was and with what is for their box only. */
function actorOf(entry: AuditEntry, boxes: Boxes): LeafActor {
  const { actorType: type, actorId: id, ip, userAgent } = entry;
  if (isService(entry) && !hasClient(entry)) return { type, id };
  const client = {
    ...(ip !== null && { ip }),
    ...(userAgent !== null && { user_agent: userAgent }),
  };
  const ref = boxes.add(id, "actor_id", client);
  return isService(entry) || ref === null ? { type, id } : { type, ref };
}

type Fields = Readonly<Record<string, unknown>>;

/** One box a person, whatever the number of their parts. */
class Boxes {
  private readonly subjectOf: SubjectOf;
  private readonly filled = new Map<
    string,
    { readonly subject: Subject; readonly fields: Fields }
  >();

  constructor(subjectOf: SubjectOf) {
    this.subjectOf = subjectOf;
  }

  /** Returns: the person's ref. */
  add(userId: string | null, part: string, more: Fields = {}): string | null {
    if (userId === null) return null;
    const subject = this.subjectOf(userId);
    const { ref } = subject;
    const fields = { ...this.filled.get(ref)?.fields, [part]: userId, ...more };
    this.filled.set(ref, { subject, fields });
    return ref;
  }

  seal({ tenantKey: tenant, eventId }: AuditEntry): readonly LeafBox[] {
    const filled = [...this.filled.values()];
    if (filled.length > 1)
      filled.sort((one, other) => (one.subject.ref < other.subject.ref ? -1 : 1));
    return filled.map(({ subject: { ref, key }, fields }) => ({
      ref,
      ...sealBox(key, fields, boxAad({ tenant, eventId, ref })),
    }));
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
    const payload_aside = { commitment: commitmentOf(bytes), bytes: bytes.length };
    return { payload_aside, aside: { ref: null, bytes } };
  }
  const { ref, key } = subjectOf(subjectUserId);
  const { commitment, sealed } = sealBox(key, { payload }, asideAad(tenantKey, eventId, ref));
  const bytes = Buffer.from(sealed, "base64");
  return {
    payload_aside: { commitment, bytes: bytes.length - SEAL_BYTES },
    aside: { ref, bytes },
  };
}
