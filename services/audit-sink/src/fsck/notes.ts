import { messageOf, VigError } from "@vigie/core/errors";
import { openSigned, type SignedCheckpoint, type TrustedKeys } from "../checkpoint/keys.ts";
import type { Claim, Finding } from "./log-source.ts";

export const whereOf = (size: number | bigint, where: string): string =>
  `checkpoint of ${size} leaves (${where})`;

/** A note as what it claims, or what is wrong with it. */
export function claimOf(note: string, where: string, keys: TrustedKeys): Claim | Finding {
  const opened = openOr(note, where, keys);
  if ("kind" in opened) return opened;
  const { size, root } = opened;
  return { size: Number(size), root, where: whereOf(size, where), fault: null };
}

/** A row of audit_checkpoints. */
export interface CheckpointRow {
  readonly size: number;
  readonly root: Buffer;
  readonly note: string;
  readonly key_name: string;
  readonly key_id: string;
}

export function claimOfRow(row: CheckpointRow, keys: TrustedKeys): Claim {
  const { size, root } = row;
  const where = whereOf(size, "audit_checkpoints");
  return { size, root, where, fault: faultOfRow(row, where, keys) };
}

function faultOfRow(row: CheckpointRow, where: string, keys: TrustedKeys): Finding | null {
  const opened = openOr(row.note, where, keys);
  if ("kind" in opened) return opened;
  const agrees =
    opened.size === BigInt(row.size) &&
    opened.root.equals(row.root) &&
    opened.key.name === row.key_name &&
    opened.key.id === row.key_id;
  return agrees ? null : { kind: "tampered", where, why: "its columns are not those of its note" };
}

export function openOr(note: string, where: string, keys: TrustedKeys): SignedCheckpoint | Finding {
  try {
    return openSigned(note, keys);
  } catch (error) {
    if (!(error instanceof VigError)) throw error;
    return {
      kind: isByKnownKey(note, keys) ? "tampered" : "unreadable",
      where,
      why: messageOf(error),
    };
  }
}

/** Whether a note bears the name and id of a key that is known: then its signature is wrong, not unknown. */
function isByKnownKey(note: string, { trusted }: TrustedKeys): boolean {
  return note.split("\n").some((line) => {
    const [, name = "", encoded = ""] = /^— (\S+) (\S+)$/u.exec(line) ?? [];
    const id = Buffer.from(encoded, "base64").toString("hex", 0, 4);
    return trusted.some((key) => key.name === name && key.id === id);
  });
}
