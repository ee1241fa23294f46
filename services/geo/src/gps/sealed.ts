import { randomBytes } from "node:crypto";
import { open, seal } from "@vigie/service-kit/kms/envelope";
import type { Keys } from "@vigie/service-kit/kms/keys";
import type { Person } from "../person.ts";
import { type Position, positionBytes, positionOf } from "./position.ts";

/** What the data keys of positions are encrypted for. */
const PURPOSE = "geo.gps";
/** Source: PRV-09, AES-256. */
const KEY_BYTES = 32;

/** PRV-09: a position as it is stored. */
export interface SealedPosition {
  /** The row's own data key, encrypted under the platform's. */
  readonly wrappedKey: Buffer;
  /** iv (12), tag (16), ciphertext. */
  readonly sealed: Buffer;
}

/** Both parts open for this row of this person only. User ids hold no "|". */
const contextOf = ({ tenantId, userId }: Person, rowId: string): string =>
  `${tenantId}|${userId}|${rowId}`;

/** A fresh random key for each row: deleting the row deletes what opens it. */
export function sealPosition(
  keys: Keys,
  person: Person,
  rowId: string,
  position: Position,
): SealedPosition {
  const context = contextOf(person, rowId);
  const dataKey = randomBytes(KEY_BYTES);
  return {
    wrappedKey: keys.encrypt(PURPOSE, dataKey, context),
    sealed: seal(dataKey, positionBytes(position), context),
  };
}

/** Throws: VIG_KEY_UNKNOWN; VIG_CIPHERTEXT_INVALID unless bytes, person, row and keys are those of `sealPosition`. */
export function openPosition(
  keys: Keys,
  person: Person,
  rowId: string,
  { wrappedKey, sealed }: SealedPosition,
): Position {
  const context = contextOf(person, rowId);
  const dataKey = keys.decrypt(PURPOSE, wrappedKey, context);
  return positionOf(open(dataKey, sealed, context));
}
