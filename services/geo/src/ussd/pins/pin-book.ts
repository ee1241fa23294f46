import { createHash } from "node:crypto";
import type { Clock } from "@vigie/core/time";
import type { Keys } from "@vigie/service-kit/kms/keys";
import type { Database, Queryable } from "@vigie/service-kit/postgres/database";
import { lockPlaces } from "#geo-context/postgres-book";
import { type Person, rowOf } from "../../person.ts";
import type { ProvenPin } from "../machine/types.ts";
import { lockMs, TRIES_MAX } from "./lock.ts";
import { isPin, sealPin } from "./pin-hash.ts";

export type PinCheck =
  | { readonly kind: "ok"; readonly proven: ProvenPin }
  | { readonly kind: "wrong"; readonly triesLeft: number }
  | { readonly kind: "locked"; readonly untilMs: number }
  /** Nobody has set one. */
  | { readonly kind: "none" };

/** Throws: VIG_DATABASE_AWAY; VIG_CIPHERTEXT_INVALID, VIG_KEY_UNKNOWN for a row that was tampered with. */
export interface PinBook {
  /**
   * One try. It is counted before the PIN is looked at, so that neither tries side by side nor a crash make more of
   * them than there are: five, over all sessions, then a lock that grows until the PIN is right again.
   */
  check(person: Person, pin: string): Promise<PinCheck>;
  /** Sets a PIN, or another one; the tries begin anew. Returns: whether there was one before. */
  set(tx: Queryable, person: Person, pin: string): Promise<boolean>;
  /** Names the PIN as it is now; NO_PIN: there is none. */
  current(tx: Queryable, person: Person): Promise<ProvenPin>;
  /** The same in place of one named PIN. Returns: false when it is not that one any more; then nothing is set. */
  replace(tx: Queryable, person: Person, pin: string, proven: ProvenPin): Promise<boolean>;
}

/**
 * Takes a try: $4 now, $5 the locks by how many there were before. The row is locked from here to the commit; a try
 * that finds the PIN locked changes nothing.
 */
const TAKE_TRY = `
  update ussd_pins
     set tries = (tries + 1) % ${TRIES_MAX},
         locks = case when tries + 1 = ${TRIES_MAX} then least(locks + 1, $5::smallint) else locks end,
         locked_until = case when tries + 1 = ${TRIES_MAX}
                             then $3::timestamptz + ($4::bigint[])[locks + 1] * interval '1 ms' end
   where tenant_id = $1 and user_id = $2 and (locked_until is null or locked_until <= $3::timestamptz)
  returning sealed_hash as sealed, tries, locked_until as "lockedUntil"`;
const READ = `
  select locked_until as "lockedUntil" from ussd_pins where tenant_id = $1 and user_id = $2`;
const RIGHT = `
  update ussd_pins set tries = 0, locks = 0, locked_until = null
   where tenant_id = $1 and user_id = $2 and sealed_hash = $3`;
const SET = `
  insert into ussd_pins (tenant_id, user_id, sealed_hash, set_at) values ($1, $2, $3, $4)
  on conflict (tenant_id, user_id) do update
    set sealed_hash = excluded.sealed_hash, set_at = excluded.set_at,
        tries = 0, locks = 0, locked_until = null
  returning (xmax <> 0) as "hadOne"`;
const CURRENT = "select sealed_hash as sealed from ussd_pins where tenant_id = $1 and user_id = $2";

/** The first one. */
const ADD = `
  insert into ussd_pins (tenant_id, user_id, sealed_hash, set_at) values ($1, $2, $3, $4)
  on conflict do nothing`;
/** What is sealed is sealed anew with each PIN, with a nonce and a salt: its hash names one PIN of one person. */
const REPLACE = `
  update ussd_pins
     set sealed_hash = $3, set_at = $4, tries = 0, locks = 0, locked_until = null
   where tenant_id = $1 and user_id = $2 and encode(sha256(sealed_hash), 'hex') = $5`;
/** In place of the name of a PIN; no hash reads so. */
export const NO_PIN: ProvenPin = "none";
const nameOf = (sealed: Uint8Array): ProvenPin => createHash("sha256").update(sealed).digest("hex");

/** From here on locks are as long as they get; see lockMs. */
const LOCKS_COUNTED = 6;
const LOCKS_MS = Array.from({ length: LOCKS_COUNTED + 1 }, (_, before) => lockMs(before));

interface Taken {
  readonly sealed: Buffer;
  readonly tries: number;
  readonly lockedUntil: Date | null;
}

export function createPinBook(database: Database, keys: Keys, clock: Clock): PinBook {
  const takeTry = (person: Person): Promise<Taken | PinCheck> =>
    database.inTenant(person.tenantId, async (tx) => {
      const { tenantId, userId } = rowOf(person);
      const values = [tenantId, userId, new Date(clock()).toISOString(), LOCKS_MS, LOCKS_COUNTED];
      const { rows } = await tx.query<Taken>(TAKE_TRY, values);
      const [taken] = rows;
      return taken ?? untaken(tx, tenantId, userId);
    });
  const rowFor = async (tx: Queryable, person: Person, pin: string): Promise<unknown[]> => {
    const { tenantId, userId } = rowOf(person);
    // It is there before an erasure, or comes after it; never beside it.
    await lockPlaces(tx, person);
    return [tenantId, userId, await sealPin(keys, person, pin), new Date(clock()).toISOString()];
  };
  return {
    async check(person, pin) {
      const taken = await takeTry(person);
      if ("kind" in taken) return taken;
      if (!(await isPin(keys, person, pin, taken.sealed))) return wrong(taken);
      const { tenantId, userId } = rowOf(person);
      await database.inTenant(person.tenantId, (tx) =>
        tx.query(RIGHT, [tenantId, userId, taken.sealed]),
      );
      return { kind: "ok", proven: nameOf(taken.sealed) };
    },
    async set(tx, person, pin) {
      const { rows } = await tx.query<{ hadOne: boolean }>(SET, await rowFor(tx, person, pin));
      return rows[0]?.hadOne === true;
    },
    async current(tx, person) {
      const { tenantId, userId } = rowOf(person);
      const { rows } = await tx.query<Pick<Taken, "sealed">>(CURRENT, [tenantId, userId]);
      return rows[0] === undefined ? NO_PIN : nameOf(rows[0].sealed);
    },
    async replace(tx, person, pin, proven) {
      const row = await rowFor(tx, person, pin);
      const { count } = await (proven === NO_PIN
        ? tx.query(ADD, row)
        : tx.query(REPLACE, [...row, proven]));
      return count === 1;
    },
  };
}

async function untaken(tx: Queryable, tenantId: string, userId: string): Promise<PinCheck> {
  const { rows } = await tx.query<{ lockedUntil: Date | null }>(READ, [tenantId, userId]);
  const until = rows[0]?.lockedUntil ?? null;
  return until === null ? { kind: "none" } : { kind: "locked", untilMs: until.getTime() };
}

/** The last try locks. */
const wrong = ({ tries, lockedUntil }: Taken): PinCheck =>
  lockedUntil === null
    ? { kind: "wrong", triesLeft: TRIES_MAX - tries }
    : { kind: "locked", untilMs: lockedUntil.getTime() };
