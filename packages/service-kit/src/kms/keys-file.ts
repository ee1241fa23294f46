import { randomBytes } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import { invalidKeysFile as invalid, readPrivateFile } from "./private-file.ts";

/** One version of the master key. */
export interface MasterKey {
  /** 1..32 characters of A-Z a-z 0-9 . _ -; stored beside hashes and in envelopes. */
  readonly keyId: string;
  /** From when on it is the current one; a time ahead lets all processes change over at once. */
  readonly activeFromMs: number;
  /** 32 bytes. */
  readonly secret: Buffer;
}

const MASTER_BYTES = 32;
const KEY_ID = /^[A-Za-z0-9._-]{1,32}$/;

interface StoredKey {
  readonly id: string;
  readonly active_from: string;
  readonly secret: string;
}

/**
 * The master keys of a file, oldest first.
 * Shape: {"keys": [{"id", "active_from": ISO 8601, "secret": base64 of 32 bytes}]}, mode 600 or
 * stricter.
 * Throws: VIG_KEYS_FILE_INVALID.
 */
export function readKeysFile(path: string): readonly MasterKey[] {
  const keys = storedKeys(readPrivateFile(path)).map(masterKey);
  if (keys.length === 0) throw invalid("it holds no key");
  if (new Set(keys.map((key) => key.keyId)).size < keys.length) throw invalid("an id comes twice");
  return keys.sort((one, other) => one.activeFromMs - other.activeFromMs);
}

function storedKeys(text: string): readonly unknown[] {
  try {
    const { keys } = JSON.parse(text) as { readonly keys?: unknown };
    return Array.isArray(keys) ? keys : [];
  } catch {
    // The cause is left out: it may quote the file.
    throw invalid("it is not JSON");
  }
}

function masterKey(stored: unknown): MasterKey {
  const { id, active_from, secret } = (stored ?? {}) as Partial<StoredKey>;
  if (typeof id !== "string" || !KEY_ID.test(id)) throw invalid("a key has no proper id");
  const activeFromMs = Date.parse(String(active_from));
  if (Number.isNaN(activeFromMs)) throw invalid(`key ${id} has no active_from`);
  const bytes = Buffer.from(String(secret), "base64");
  if (bytes.length !== MASTER_BYTES) throw invalid(`the secret of key ${id} is not 32 bytes`);
  return { keyId: id, activeFromMs, secret: bytes };
}

/** Writes a file with one random key. Throws if the file exists. */
export function createKeysFile(path: string, nowMs: number): void {
  writeFileSync(path, keysText([randomKey("k1", nowMs)]), { mode: 0o600, flag: "wx" });
}

/**
 * Adds a random key that becomes current at `activeFromMs`; the others stay, to open what they
 * closed.
 */
export function rotateKeysFile(path: string, activeFromMs: number): void {
  const keys = readKeysFile(path);
  const taken = new Set(keys.map((key) => key.keyId));
  let number = keys.length + 1;
  while (taken.has(`k${number}`)) number += 1;
  const next = randomKey(`k${number}`, activeFromMs);
  const fresh = `${path}.new`;
  writeFileSync(fresh, keysText([...keys, next]), { mode: 0o600 });
  renameSync(fresh, path);
}

const randomKey = (keyId: string, activeFromMs: number): MasterKey => ({
  keyId,
  activeFromMs,
  secret: randomBytes(MASTER_BYTES),
});

function keysText(keys: readonly MasterKey[]): string {
  const stored = keys.map(
    (key): StoredKey => ({
      id: key.keyId,
      active_from: new Date(key.activeFromMs).toISOString(),
      secret: key.secret.toString("base64"),
    }),
  );
  return `${JSON.stringify({ keys: stored }, null, 2)}\n`;
}
