import { boxKeyOf, SECRET_BYTES } from "@vigie/audit-log/box";
import { assert } from "@vigie/core/assert";
import {
  openTenantKey,
  sealTenantKey,
  unwrapSecret,
  wrapSecret,
} from "@vigie/service-kit/audit/subject-keys";
import { tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import type { Keys } from "@vigie/service-kit/kms/keys";
import { byteaArray, textArray, uuidArray } from "@vigie/service-kit/postgres/binary-array";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import type { Subject } from "./leaf-of.ts";
import { type Random, UUID_BYTES, uuidOfBytes } from "./random.ts";

export interface Person {
  readonly tenantKey: string;
  readonly userId: string;
}

/** A tenant has no "|" in its name. */
export const nameOfPerson = ({ tenantKey, userId }: Person): string => `${tenantKey}|${userId}`;

/** Subjects of persons, by nameOfPerson. */
export type Subjects = Map<string, Subject>;

interface SubjectRow {
  readonly tenant_id: string;
  readonly user_id: string;
  readonly ref: string;
  readonly key_id: string;
  readonly wrapped_key: Buffer;
}

interface TenantKeyRow {
  readonly tenant_key: string;
  readonly envelope: Buffer;
}

const READ = `
  select tenant_id, user_id, ref, key_id, wrapped_key
    from audit_subjects
    join unnest($1::uuid[], $2::uuid[]) as wanted (tenant_id, user_id) using (tenant_id, user_id)`;

const ADD = `
  insert into audit_subjects (tenant_id, user_id, ref, key_id, wrapped_key)
  select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bytea[])`;

const READ_TENANT_KEY =
  "select tenant_key, envelope from audit_tenant_keys where tenant_id = $1 and key_id = $2";
const ADD_TENANT_KEY = `
  insert into audit_tenant_keys (tenant_id, tenant_key, key_id, envelope) values ($1, $2, $3, $4)`;

/** Of each half of what is kept. A subject takes 1 KB of heap: some 400 MB of the process when both are full. */
const GENERATION_MAX = 131_072;
const TENANT_KEYS_MAX = 1_000;
const KEY_BYTES = 32;

export interface SubjectKeysOptions {
  readonly keys: Keys;
  readonly random: Random;
}

/**
 * The keys of subjects: read, or made at first sight, under the lock of the head, so that nobody else makes them.
 * What is made in a transaction is kept only once that is committed.
 */
export class SubjectKeys {
  private readonly options: SubjectKeysOptions;
  /** Second chance: what is used moves to the young ones; when these are many, the old ones go. */
  private young: Subjects = new Map();
  private old: Subjects = new Map();
  private readonly tenantKeys = new Map<string, Buffer>();
  private destroyed = 0;

  constructor(options: SubjectKeysOptions) {
    this.options = options;
  }

  /** Forgets all when keys were destroyed, by whomever, since it was last told of. */
  keepUpTo(destroyed: number): void {
    if (destroyed === this.destroyed) return;
    this.forgetSubjects();
    this.destroyed = destroyed;
  }

  /** After the commit. */
  keep(subjects: Subjects): void {
    for (const [name, subject] of subjects) this.young.set(name, subject);
    if (this.young.size < GENERATION_MAX) return;
    this.old = this.young;
    this.young = new Map();
  }

  /** After a transaction that failed, or a store that lost what it had: nothing of it is known to be kept. */
  forget(): void {
    this.forgetSubjects();
    this.tenantKeys.clear();
  }

  private forgetSubjects(): void {
    this.young = new Map();
    this.old = new Map();
  }

  /** Subjects of all these persons, made where there is none. */
  async open(tx: Queryable, persons: ReadonlyMap<string, Person>): Promise<Subjects> {
    const found: Subjects = new Map();
    const unknown: Unknown = new Map();
    for (const [name, person] of persons) {
      const held = this.young.get(name) ?? this.old.get(name);
      if (held === undefined) ask(unknown, name, person);
      else found.set(name, held);
    }
    if (unknown.size === 0) return found;
    await this.read(tx, unknown, found);
    if (unknown.size > 0) await this.make(tx, unknown, found);
    return found;
  }

  /** A key that nobody will have: for what happened before its person was erased, and comes late. */
  throwaway(person: Person, eventId: string): Subject {
    const { ref, secret } = this.draw(`late|${nameOfPerson(person)}|${eventId}`);
    return { ref, key: boxKeyOf(secret) };
  }

  /** Moves what is in the database from `unknown` to `found`. */
  private async read(tx: Queryable, unknown: Unknown, found: Subjects): Promise<void> {
    const asked = [...unknown.values()];
    const { rows } = await tx.query<SubjectRow>(READ, [
      uuidArray(asked.map(({ tenantId }) => tenantId)),
      uuidArray(asked.map(({ userId }) => userId)),
    ]);
    for (const { tenant_id, user_id, ref, key_id, wrapped_key } of rows) {
      const id = `${tenant_id}|${user_id}`;
      const each = unknown.get(id);
      assert(each !== undefined, "a subject is one that was asked for");
      const tenantKey = await this.tenantKey(tx, each.tenantKey, key_id);
      const secret = unwrapSecret(tenantKey, ref, wrapped_key);
      const subject = { ref, key: boxKeyOf(secret) };
      for (const name of each.names) found.set(name, subject);
      unknown.delete(id);
    }
  }

  private draw(purpose: string): { readonly ref: string; readonly secret: Buffer } {
    const bytes = this.options.random(UUID_BYTES + SECRET_BYTES, purpose);
    const ref = uuidOfBytes(bytes.subarray(0, UUID_BYTES));
    return { ref, secret: bytes.subarray(UUID_BYTES) };
  }

  private async make(tx: Queryable, unknown: Unknown, found: Subjects): Promise<void> {
    const { keys } = this.options;
    const rows: SubjectRow[] = [];
    for (const { tenantKey: tenant, tenantId, userId, names } of unknown.values()) {
      const { keyId } = keys.hmacKey(tenant);
      const tenantKey = await this.tenantKey(tx, tenant, keyId);
      // Of one person several are made, one after the other was destroyed.
      const { ref, secret } = this.draw(`subject|${tenant}|${userId}|${this.destroyed}`);
      rows.push({
        tenant_id: tenantId,
        user_id: userId,
        ref,
        key_id: keyId,
        wrapped_key: wrapSecret(tenantKey, ref, secret),
      });
      const subject = { ref, key: boxKeyOf(secret) };
      for (const name of names) found.set(name, subject);
    }
    await tx.query(ADD, [
      uuidArray(rows.map(({ tenant_id }) => tenant_id)),
      uuidArray(rows.map(({ user_id }) => user_id)),
      uuidArray(rows.map(({ ref }) => ref)),
      textArray(rows.map(({ key_id }) => key_id)),
      byteaArray(rows.map(({ wrapped_key }) => wrapped_key)),
    ]);
  }

  /** The tenant's key of this version, made where there is none. */
  private async tenantKey(tx: Queryable, tenant: string, keyId: string): Promise<Buffer> {
    const name = `${tenant}|${keyId}`;
    const known = this.tenantKeys.get(name);
    if (known !== undefined) return known;
    const key = await this.readTenantKey(tx, tenant, keyId);
    if (this.tenantKeys.size >= TENANT_KEYS_MAX) this.tenantKeys.clear();
    this.tenantKeys.set(name, key);
    return key;
  }

  private async readTenantKey(tx: Queryable, tenant: string, keyId: string): Promise<Buffer> {
    const { keys, random } = this.options;
    const id = tenantUuid(tenant);
    const { rows } = await tx.query<TenantKeyRow>(READ_TENANT_KEY, [id, keyId]);
    const [held] = rows;
    // A tenant that is a UUID may have come in another spelling when its key was made.
    if (held !== undefined) return openTenantKey(keys, held.tenant_key, held.envelope);
    const key = random(KEY_BYTES, `tenant|${tenant}|${keyId}`);
    await tx.query(ADD_TENANT_KEY, [id, tenant, keyId, sealTenantKey(keys, tenant, key)]);
    return key;
  }
}

/** Persons without a known subject, by tenant and user as the table has them; a UUID is written in two ways. */
type Unknown = Map<
  string,
  {
    readonly tenantKey: string;
    readonly tenantId: string;
    readonly userId: string;
    readonly names: string[];
  }
>;

function ask(unknown: Unknown, name: string, person: Person): void {
  const { tenantKey } = person;
  const tenantId = tenantUuid(tenantKey);
  const userId = uuidOf(tenantKey, "user", person.userId);
  const id = `${tenantId}|${userId}`;
  const known = unknown.get(id);
  if (known === undefined) unknown.set(id, { tenantKey, tenantId, userId, names: [name] });
  else known.names.push(name);
}
