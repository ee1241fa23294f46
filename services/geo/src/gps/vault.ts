import { randomUUID } from "node:crypto";
import { type Clock, DAY_MS, MINUTE_MS, SECOND_MS } from "@vigie/core/time";
import type { Keys } from "@vigie/service-kit/kms/keys";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import { type Person, rowOf } from "../person.ts";
import type { Position } from "./position.ts";
import { openPosition, type SealedPosition, sealPosition } from "./sealed.ts";

/** Source: GEO-10, PRV-08: no position is kept longer. */
export const KEPT_MAX_MS = DAY_MS;
/** How often what has expired is deleted. */
export const PURGE_EVERY_MS = 5 * MINUTE_MS;
/** A position expires an hour before it must be gone: twelve purges may fail and it still goes in time. */
export const KEPT_MS = KEPT_MAX_MS - 12 * PURGE_EVERY_MS;
/** One every five minutes of a day. Of more, the oldest go: nobody fills the table. */
export const POSITIONS_MAX = 288;

/** Of every call: `tx` is a transaction in the person's tenant. Throws: VIG_DATABASE_AWAY. */
export interface GpsVault {
  /**
   * PRV-06: keeps a position if the person has opted in as this transaction sees it; the opt-in stays until its end.
   * Returns: whether it is kept.
   */
  put(tx: Queryable, person: Person, position: Position): Promise<boolean>;
  /**
   * What has not expired, newest first.
   * Throws: VIG_CIPHERTEXT_INVALID, VIG_KEY_UNKNOWN for a row that is not as it was put.
   */
  read(tx: Queryable, person: Person): Promise<readonly Position[]>;
  /** Returns: how many are gone. */
  eraseUser(tx: Queryable, person: Person): Promise<number>;
}

/** By the database's clock, to which the table's own limit holds too. A withdrawal waits for it, or comes before it. */
const PUT = `
  with consent as (
    select 1 from molam_user_geo_prefs
     where tenant_id = $1 and user_id = $2 and gps_opt_in for share)
  insert into molam_gps_ephemeral (tenant_id, user_id, id, wrapped_key, sealed, expires_at)
  select $1, $2, $3, $4, $5, now() + interval '${KEPT_MS / SECOND_MS} seconds' from consent`;
const TRIM = `
  delete from molam_gps_ephemeral
   where tenant_id = $1 and user_id = $2
     and id in (select id from molam_gps_ephemeral where tenant_id = $1 and user_id = $2
                 order by stored_at desc, id offset ${POSITIONS_MAX})`;
const READ = `
  select id, wrapped_key as "wrappedKey", sealed from molam_gps_ephemeral
   where tenant_id = $1 and user_id = $2 and expires_at > now()
   order by stored_at desc, id`;
const ERASE = "delete from molam_gps_ephemeral where tenant_id = $1 and user_id = $2";

interface Row extends SealedPosition {
  readonly id: string;
}

/** PRV-09: positions under keys of their own, at most a day. */
export function createGpsVault(keys: Keys, clock: Clock): GpsVault {
  return {
    async put(tx, person, position) {
      const { tenantId, userId } = rowOf(person);
      const id = randomUUID();
      const { wrappedKey, sealed } = sealPosition(keys, person, id, position);
      const { count } = await tx.query(PUT, [tenantId, userId, id, wrappedKey, sealed]);
      if (count === 0) return false;
      await tx.query(TRIM, [tenantId, userId]);
      return true;
    },
    async read(tx, person) {
      const { tenantId, userId } = rowOf(person);
      const { rows } = await tx.query<Row>(READ, [tenantId, userId]);
      const positions = rows.map((row) => openPosition(keys, person, row.id, row));
      // The time inside is sealed: whoever moves a row's end in the table keeps nothing alive.
      return positions.filter(({ capturedAtMs }) => capturedAtMs > clock() - KEPT_MAX_MS);
    },
    async eraseUser(tx, person) {
      const { tenantId, userId } = rowOf(person);
      return (await tx.query(ERASE, [tenantId, userId])).count;
    },
  };
}
