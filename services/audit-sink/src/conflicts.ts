import { hkdfSync } from "node:crypto";
import type { BoxKey } from "@vigie/audit-log/box";
import { innerBlock } from "@vigie/audit-log/hmac-sha256";
import { tenantUuid } from "@vigie/service-kit/ids";
import { seal } from "@vigie/service-kit/kms/envelope";
import type { Keys } from "@vigie/service-kit/kms/keys";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import type { Digested } from "./known-events.ts";
import { personsOf, type Subject } from "./leaf-of.ts";
import type { SubjectsOfBatch } from "./subjects-of-batch.ts";

/** Purpose of the key, and the context in which what it seals can be opened: its tenant. */
export const CONFLICT = "audit.conflict";

const KEEP = `
  insert into audit_conflicts
    (source_topic, source_partition, source_offset, event_id, tenant_id, tenant_key,
     recorded_at_ms, event_digest, value_sealed, refs)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::uuid[])
  on conflict do nothing`;

/**
 * Keeps aside what came under the id of another event, as it came, for a person to judge. Sealed under the keys of all
 * whom it names, together: when one of them is erased it opens no more.
 */
export async function keepAside(
  tx: Queryable,
  items: readonly Digested[],
  { keys, subjects: batch }: { readonly keys: Keys; readonly subjects: SubjectsOfBatch },
): Promise<void> {
  for (const { entry, digest, value } of items) {
    const { origin, tenantKey, eventId } = entry;
    const subjects = subjectsOf(personsOf(entry).map(batch.of(entry)));
    const inner = sealUnder(subjects, value ?? Buffer.from(entry.identity), eventId);
    await tx.query(KEEP, [
      origin.topic,
      origin.partition,
      origin.offset,
      eventId,
      tenantUuid(tenantKey),
      tenantKey,
      origin.timestampMs,
      digest,
      keys.encrypt(CONFLICT, inner, tenantKey).toString("base64"),
      subjects.map(({ ref }) => ref),
    ]);
  }
}

/** Each once, in the order of refs. */
const subjectsOf = (all: readonly Subject[]): readonly Subject[] =>
  [...new Map(all.map((subject) => [subject.ref, subject])).values()].sort((one, other) =>
    one.ref < other.ref ? -1 : 1,
  );

const KEY_BYTES = 32;

/** Under one key made of all of theirs; as it is where it names nobody. Source: RFC 5869. */
function sealUnder(subjects: readonly Subject[], value: Uint8Array, eventId: string): Uint8Array {
  if (subjects.length === 0) return value;
  return seal(jointKey(subjects.map(({ key }) => key)), value, eventId);
}

/** Of the inner blocks, as all that is stored was sealed; not of the secrets as they are. */
export function jointKey(keys: readonly BoxKey[]): Buffer {
  const material = Buffer.concat(keys.map(({ mac }) => innerBlock(mac)));
  return Buffer.from(hkdfSync("sha256", material, "vigie", CONFLICT, KEY_BYTES));
}
