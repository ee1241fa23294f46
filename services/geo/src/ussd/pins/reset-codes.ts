import { createHmac, randomInt, timingSafeEqual } from "node:crypto";
import { type Clock, MINUTE_MS } from "@vigie/core/time";
import type { Keys } from "@vigie/service-kit/kms/keys";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import { lockPlaces } from "#geo-context/postgres-book";
import { keyOf, type Person, rowOf } from "../../person.ts";
import { RESET_CODE_DIGITS } from "../machine/types.ts";

/** Source: NIST SP 800-63B-4 section 3.1.3.2: an out-of-band secret is good for ten minutes at most. */
export const RESET_CODE_VALID_MS = 10 * MINUTE_MS;
/** Of 10^8 codes; whoever draws anew after each three has NIST's 100 tries used up before it matters. */
export const RESET_CODE_TRIES_MAX = 3;

export type CodeCheck =
  | { readonly kind: "ok" }
  /** 0 tries left: there is no code, or no longer. */
  | { readonly kind: "wrong"; readonly triesLeft: number };

/** One-time codes that a signed-in person draws and types on the phone. Every call: `tx` in the person's tenant. */
export interface ResetCodes {
  /** Draws a code; one from before is void. */
  draw(
    tx: Queryable,
    person: Person,
  ): Promise<{ readonly code: string; readonly expiresAtMs: number }>;
  /** One try. A right code is used up by it. */
  take(tx: Queryable, person: Person, code: string): Promise<CodeCheck>;
}

const DRAW = `
  insert into ussd_reset_codes (tenant_id, user_id, code_hash, expires_at) values ($1, $2, $3, $4)
  on conflict (tenant_id, user_id) do update
    set code_hash = excluded.code_hash, expires_at = excluded.expires_at, tries = 0`;
/** The row is locked from here to the commit. */
const TAKE_TRY = `
  update ussd_reset_codes set tries = tries + 1
   where tenant_id = $1 and user_id = $2 and tries < ${RESET_CODE_TRIES_MAX} and expires_at > $3
  returning code_hash as hash, tries`;
const USE_UP = "delete from ussd_reset_codes where tenant_id = $1 and user_id = $2";

export function createResetCodes(keys: Keys, clock: Clock): ResetCodes {
  /** Under every key that was current while the code was valid. */
  const hashes = (person: Person, code: string): Buffer[] =>
    keys.comparableHmacKeys(person.tenantId).map(({ key }) =>
      createHmac("sha256", key)
        .update(`ussd|code|${keyOf(person)}|${code}`)
        .digest(),
    );
  return {
    async draw(tx, person) {
      const { tenantId, userId } = rowOf(person);
      const code = String(randomInt(10 ** RESET_CODE_DIGITS)).padStart(RESET_CODE_DIGITS, "0");
      const expiresAtMs = clock() + RESET_CODE_VALID_MS;
      const [hash] = hashes(person, code);
      // It is there before an erasure, or comes after it; never beside it.
      await lockPlaces(tx, person);
      await tx.query(DRAW, [tenantId, userId, hash, new Date(expiresAtMs).toISOString()]);
      return { code, expiresAtMs };
    },
    async take(tx, person, code) {
      const { tenantId, userId } = rowOf(person);
      const now = new Date(clock()).toISOString();
      const { rows } = await tx.query<{ hash: Buffer; tries: number }>(TAKE_TRY, [
        tenantId,
        userId,
        now,
      ]);
      const [row] = rows;
      if (row === undefined) return { kind: "wrong", triesLeft: 0 };
      const isRight = hashes(person, code).some((hash) => timingSafeEqual(hash, row.hash));
      if (!isRight) return { kind: "wrong", triesLeft: RESET_CODE_TRIES_MAX - row.tries };
      await tx.query(USE_UP, [tenantId, userId]);
      return { kind: "ok" };
    },
  };
}
