import { randomUUID } from "node:crypto";
import type { Clock } from "@vigie/core/time";
import { tenantUuid } from "@vigie/service-kit/ids";
import type { Keys } from "@vigie/service-kit/kms/keys";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import { lockName } from "@vigie/service-kit/postgres/locks";
import { lockPlaces } from "#geo-context/postgres-book";
import { type Person, rowOf } from "../../person.ts";
import type { Language } from "../machine/types.ts";
import { openPhone, phoneHash, phoneHashes, sealPhone } from "./phones.ts";
import { lastSimChange, moveSimChange } from "./sim-memory.ts";

/** A phone of a person. */
export interface Link {
  readonly id: string;
  readonly person: Person;
  readonly country: string;
  readonly language: Language | null;
  readonly linkedAtMs: number;
  /** When an operator last told of another SIM. */
  readonly simChangedAtMs: number | null;
  /** The person has a PIN. */
  readonly hasPin: boolean;
}

export interface NewLink {
  readonly person: Person;
  /** E.164 */
  readonly phone: string;
  readonly country: string;
  readonly language: Language | null;
}

/** Of a phone that was taken away. */
export interface Before {
  readonly person: Person;
  /** What is signed in by it; null: nothing. */
  readonly dialogue: string | null;
}

/** Every call: `tx` in the tenant that is named. Throws: VIG_DATABASE_AWAY. */
export interface LinkBook {
  find(tx: Queryable, tenantId: string, phone: string): Promise<Link | null>;
  byId(tx: Queryable, tenantId: string, linkId: string): Promise<Link | null>;
  ofPerson(tx: Queryable, person: Person): Promise<readonly Link[]>;
  /** A phone that was somebody else's is this person's from then on. Returns: whose it was; null: nobody's. */
  put(tx: Queryable, link: NewLink): Promise<Before | null>;
  /** Returns: whose it was; null: nobody's. */
  remove(tx: Queryable, tenantId: string, phone: string): Promise<Before | null>;
  /** That a dialogue signs in by it. Returns: false when there is no such link any more. */
  signIn(tx: Queryable, tenantId: string, linkId: string, dialogue: string): Promise<boolean>;
  signOut(tx: Queryable, tenantId: string, linkId: string, dialogue: string): Promise<void>;
  /** Remembered whether or not the phone is linked. Returns: whose it is; null: nobody's. */
  noteSimChange(
    tx: Queryable,
    tenantId: string,
    phone: string,
    atMs: number,
  ): Promise<Person | null>;
  setLanguage(tx: Queryable, tenantId: string, linkId: string, language: Language): Promise<void>;
  /** Brings rows of older keys to the current one, `rowsMax` at most: an old key compares for 30 days only. */
  rekey(tx: Queryable, tenantId: string, rowsMax: number): Promise<number>;
}

const COLUMNS = `
  link.id, link.user_key as "userId", country_code as country, language,
  extract(epoch from linked_at)::float8 * 1000 as "linkedAtMs",
  extract(epoch from sim_changed_at)::float8 * 1000 as "simChangedAtMs",
  exists (select from ussd_pins pin
           where pin.tenant_id = link.tenant_id and pin.user_id = link.user_id) as "hasPin"`;
const FIND = `select ${COLUMNS} from ussd_links link where tenant_id = $1 and phone_hash = any($2)`;
const BY_ID = `select ${COLUMNS} from ussd_links link where tenant_id = $1 and id = $2`;
const OF_PERSON = `
  select ${COLUMNS} from ussd_links link where tenant_id = $1 and user_id = $2 order by linked_at, id`;
const CHANGED = `
  user_key as "userId", phone_hash as hash, sim_changed_at as "simChangedAt", language, dialogue`;
const REMOVE = `
  delete from ussd_links where tenant_id = $1 and phone_hash = any($2)
  returning ${CHANGED}`;
const ADD = `
  insert into ussd_links (tenant_id, id, phone_hash, key_id, sealed_phone, user_id, user_key,
                          country_code, language, linked_at, sim_changed_at)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`;
const SIM_CHANGED = `
  update ussd_links set sim_changed_at = greatest(sim_changed_at, $3::timestamptz)
   where tenant_id = $1 and phone_hash = any($2)
  returning ${CHANGED}`;
const SIGN_IN = "update ussd_links set dialogue = $3 where tenant_id = $1 and id = $2";
const SIGN_OUT = `
  update ussd_links set dialogue = null where tenant_id = $1 and id = $2 and dialogue = $3`;
const SET_LANGUAGE = "update ussd_links set language = $3 where tenant_id = $1 and id = $2";
const OF_OLD_KEYS = `
  select id, phone_hash as before, sealed_phone as sealed from ussd_links
   where tenant_id = $1 and key_id <> $2 order by id limit $3 for update skip locked`;
const REKEY = `
  update ussd_links set phone_hash = $3, key_id = $4, sealed_phone = $5 where tenant_id = $1 and id = $2`;

type Row = Omit<Link, "person"> & { readonly userId: string };
interface Changed {
  readonly userId: string;
  readonly hash: string;
  readonly simChangedAt: Date | null;
  readonly language: Language | null;
  readonly dialogue: string | null;
}

export function createLinkBook(keys: Keys, clock: Clock): LinkBook {
  const change = async (
    tx: Queryable,
    statement: string,
    { tenantId, phone }: { readonly tenantId: string; readonly phone: string },
    ...values: readonly unknown[]
  ): Promise<Changed | undefined> => {
    const hashes = phoneHashes(keys, tenantId, phone);
    const { rows } = await tx.query<Changed>(statement, [tenantUuid(tenantId), hashes, ...values]);
    return rows[0];
  };
  return {
    async find(tx, tenantId, phone) {
      const values = [tenantUuid(tenantId), phoneHashes(keys, tenantId, phone)];
      const { rows } = await tx.query<Row>(FIND, values);
      return rows[0] === undefined ? null : linkOf(tenantId, rows[0]);
    },
    async byId(tx, tenantId, linkId) {
      const { rows } = await tx.query<Row>(BY_ID, [tenantUuid(tenantId), linkId]);
      return rows[0] === undefined ? null : linkOf(tenantId, rows[0]);
    },
    async ofPerson(tx, person) {
      const { tenantId, userId } = rowOf(person);
      const { rows } = await tx.query<Row>(OF_PERSON, [tenantId, userId]);
      return rows.map((row) => linkOf(person.tenantId, row));
    },
    async put(tx, { person, phone, country, language }) {
      const { tenantId } = person;
      const { hash, keyId } = phoneHash(keys, tenantId, phone);
      // It is there before an erasure, or comes after it; never beside it.
      await lockPlaces(tx, person);
      // A number may lie under two keys: the row's own uniqueness does not see that.
      await lockName(tx, "phones", hash);
      const before = await change(tx, REMOVE, { tenantId, phone });
      const id = randomUUID();
      const row = rowOf(person);
      const sealed = sealPhone(keys, tenantId, id, phone);
      const now = new Date(clock()).toISOString();
      const values = [row.tenantId, id, hash, keyId, sealed, row.userId, person.userId];
      // The number's SIM was changed, whoever has it now.
      const hashed = { tenantId, phone, hash };
      const simChangedAt = await lastSimChange(tx, keys, hashed, before?.simChangedAt ?? null);
      const chosen = before?.userId === person.userId ? before.language : null;
      await tx.query(ADD, [
        ...values,
        country,
        language ?? chosen,
        now,
        simChangedAt?.toISOString() ?? null,
      ]);
      return beforeOf(tenantId, before);
    },
    remove: async (tx, tenantId, phone) =>
      beforeOf(tenantId, await change(tx, REMOVE, { tenantId, phone })),
    async signIn(tx, tenantId, linkId, dialogue) {
      const { count } = await tx.query(SIGN_IN, [tenantUuid(tenantId), linkId, dialogue]);
      return count === 1;
    },
    async signOut(tx, tenantId, linkId, dialogue) {
      await tx.query(SIGN_OUT, [tenantUuid(tenantId), linkId, dialogue]);
    },
    async noteSimChange(tx, tenantId, phone, atMs) {
      const at = new Date(atMs);
      const current = phoneHash(keys, tenantId, phone).hash;
      await lockName(tx, "phones", current);
      const link = await change(tx, SIM_CHANGED, { tenantId, phone }, at.toISOString());
      await lastSimChange(tx, keys, { tenantId, phone, hash: link?.hash ?? current }, at);
      return personOf(tenantId, link);
    },
    async setLanguage(tx, tenantId, linkId, language) {
      await tx.query(SET_LANGUAGE, [tenantUuid(tenantId), linkId, language]);
    },
    rekey: (tx, tenantId, rowsMax) => rekeyed(tx, tenantId, rowsMax, keys),
  };
}

const personOf = (tenantId: string, row: Changed | undefined): Person | null =>
  row === undefined ? null : { tenantId, userId: row.userId };

const beforeOf = (tenantId: string, row: Changed | undefined): Before | null =>
  row === undefined ? null : { person: { tenantId, userId: row.userId }, dialogue: row.dialogue };
const linkOf = (tenantId: string, { userId, ...row }: Row): Link => ({
  ...row,
  person: { tenantId, userId },
});

async function rekeyed(
  tx: Queryable,
  tenantId: string,
  rowsMax: number,
  keys: Keys,
): Promise<number> {
  const tenant = tenantUuid(tenantId);
  const { keyId } = keys.hmacKey(tenantId);
  const values = [tenant, keyId, rowsMax];
  const { rows } = await tx.query<{ id: string; before: string; sealed: Buffer }>(
    OF_OLD_KEYS,
    values,
  );
  for (const { id, before, sealed } of rows) {
    const phone = openPhone(keys, tenantId, id, sealed);
    const { hash } = phoneHash(keys, tenantId, phone);
    await tx.query(REKEY, [tenant, id, hash, keyId, sealPhone(keys, tenantId, id, phone)]);
    await moveSimChange(tx, tenantId, { from: before, to: hash });
  }
  return rows.length;
}
