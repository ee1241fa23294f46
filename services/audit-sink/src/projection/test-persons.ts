import { randomBytes, randomUUID } from "node:crypto";
import { boxAad, boxKeyOf, sealBox } from "@vigie/audit-log/box";
import type { Leaf } from "@vigie/audit-log/leaf";
import { sealTenantKey, wrapSecret } from "@vigie/service-kit/audit/subject-keys";
import { tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import type { Keys } from "@vigie/service-kit/kms/keys";
import type { Database } from "@vigie/service-kit/postgres/database";
import { sampleLeaf } from "../fsck/memory-log.ts";

const KEY_ID = "k1";

/** Persons of one tenant, with keys in the database as the sink keeps them. For tests. */
export interface Persons {
  /** Returns: the ref. */
  add(userId: string): Promise<string>;
  /** As an erasure does; the leaf that tells of it is the caller's to append. */
  destroyKey(ref: string): Promise<void>;
  /** A leaf of what a person did, with the person's box. */
  deed(number: number, ref: string, more?: Partial<Leaf>, userAgent?: string | null): Leaf;
}

export async function openPersons(db: Database, keys: Keys, tenant: string): Promise<Persons> {
  const tenantKey = randomBytes(32);
  const secrets = new Map<string, Buffer>();
  await db.query("insert into audit_tenant_keys values ($1, $2, $3, $4)", [
    tenantUuid(tenant),
    tenant,
    KEY_ID,
    sealTenantKey(keys, tenant, tenantKey),
  ]);
  return {
    async add(userId) {
      const [ref, secret] = [randomUUID(), randomBytes(32)];
      secrets.set(ref, secret);
      await db.query("insert into audit_subjects values ($1, $2, $3, $4, $5)", [
        tenantUuid(tenant),
        uuidOf(tenant, "user", userId),
        ref,
        KEY_ID,
        wrapSecret(tenantKey, ref, secret),
      ]);
      return ref;
    },
    async destroyKey(ref) {
      await db.query("delete from audit_subjects where ref = $1", [ref]);
    },
    deed(number, ref, more = {}, userAgent = CHROME) {
      const leaf = { ...sampleLeaf(number), tenant, ...more };
      const fields = {
        actor_id: `person ${ref}`,
        ...(userAgent !== null && { user_agent: userAgent }),
      };
      const key = boxKeyOf(secrets.get(ref) ?? randomBytes(32));
      const box = sealBox(key, fields, boxAad({ tenant, eventId: leaf.id, ref }));
      return { ...leaf, actor: { type: "ADMIN", ref }, boxes: [{ ref, ...box }] };
    },
  };
}

const CHROME =
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
