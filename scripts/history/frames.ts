import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from "node:fs";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { messageOf, VigError } from "@vigie/core/errors";
import type { Keys } from "@vigie/service-kit/kms/keys";

/** What stands in clear at the head of a file: whose it is, and what is needed to open it. */
export interface FileHead {
  readonly format: number;
  readonly kind: "events" | "facts";
  readonly tenant: string;
  readonly partition: number;
  /** Append times of its events, ms since the epoch: from this on, before that. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Of the key that its pseudonyms were made with. */
  readonly pseudonymKeyId: string;
}

export const FORMAT = 2;
const PURPOSE = "history";
const MAGIC = Buffer.from("VIGHIST\n");
const KEY_BYTES = 32;
/** Source: NIST SP 800-38D: 96-bit nonce, 128-bit tag. A data key is one file's, so a counter never repeats. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** A frame: 4 bytes of length, the highest bit set on the last one; the tag; the ciphertext. */
const LAST = 0x8000_0000;
const FRAME_HEAD_BYTES = 4 + TAG_BYTES;
/** Far above what a writer puts into one; a torn length must not ask for the machine's memory. */
const FRAME_BYTES_MAX = 64 * 1_048_576;
const HEAD_BYTES_MAX = 65_536;

const torn = (file: string, why: string, cause?: unknown): VigError =>
  new VigError("VIG_HISTORY_TORN", { file, why }, { cause });

function nonceOf(index: number): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUInt32BE(index, NONCE_BYTES - 4);
  return nonce;
}

/** A frame moved, left out or repeated does not open: its place, its end and the whole head are authenticated. */
const associatedOf = (headDigest: Buffer, index: number, last: boolean): Buffer =>
  Buffer.concat([headDigest, nonceOf(index), Buffer.from([last ? 1 : 0])]);

const digestOf = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();

/**
 * Writes blocks of bytes to a file: compressed, encrypted under a data key of its own, which lies in the head,
 * encrypted under the platform's. It has its name only once it is whole.
 */
export class FrameWriter {
  private readonly path: string;
  private readonly dataKey = randomBytes(KEY_BYTES);
  private readonly headDigest: Buffer;
  private readonly fd: number;
  private index = 0;

  constructor(path: string, head: FileHead, keys: Keys) {
    this.path = path;
    const sealedKey = keys.encrypt(PURPOSE, this.dataKey, contextOf(head)).toString("base64");
    const text = Buffer.from(JSON.stringify({ ...head, key: sealedKey }));
    this.headDigest = digestOf(text);
    this.fd = openSync(`${path}.part`, "w", 0o600);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(text.length);
    writeSync(this.fd, Buffer.concat([MAGIC, length, text]));
  }

  write(block: Uint8Array): void {
    this.frame(block, false);
  }

  /** The last block, and the file's name. */
  finish(block: Uint8Array): void {
    this.frame(block, true);
    fsyncSync(this.fd);
    closeSync(this.fd);
    renameSync(`${this.path}.part`, this.path);
  }

  abandon(): void {
    closeSync(this.fd);
    rmSync(`${this.path}.part`, { force: true });
  }

  private frame(block: Uint8Array, last: boolean): void {
    const cipher = createCipheriv("aes-256-gcm", this.dataKey, nonceOf(this.index));
    cipher.setAAD(associatedOf(this.headDigest, this.index, last));
    const sealed = Buffer.concat([cipher.update(zstdCompressSync(block)), cipher.final()]);
    const head = Buffer.alloc(4);
    head.writeUInt32BE(last ? sealed.length + LAST : sealed.length);
    writeSync(this.fd, Buffer.concat([head, cipher.getAuthTag(), sealed]));
    this.index += 1;
  }
}

/** The head is bound to the data key: a head that was changed does not open its file. */
const contextOf = ({ kind, tenant, partition, fromMs, toMs, pseudonymKeyId }: FileHead): string =>
  JSON.stringify([kind, tenant, partition, fromMs, toMs, pseudonymKeyId]);

interface OpenHead {
  readonly head: FileHead;
  readonly sealedKey: string;
  readonly digest: Buffer;
  readonly end: number;
}

/** Throws: VIG_HISTORY_TORN when it is no history file, or of a format that is not known here. */
export function readHead(path: string): FileHead {
  const fd = openSync(path, "r");
  try {
    return headOf(fd, path).head;
  } finally {
    closeSync(fd);
  }
}

function headOf(fd: number, path: string): OpenHead {
  const start = readAt(fd, 0, MAGIC.length + 4);
  if (start === null || !start.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw torn(path, "it does not begin as a history file does");
  }
  const length = start.readUInt32BE(MAGIC.length);
  const text = length > HEAD_BYTES_MAX ? null : readAt(fd, start.length, length);
  if (text === null) throw torn(path, "its head is cut off");
  try {
    const { key, ...head } = JSON.parse(text.toString()) as FileHead & { readonly key: string };
    if (head.format !== FORMAT) throw new Error(`format ${head.format} is not known here`);
    return { head, sealedKey: key, digest: digestOf(text), end: start.length + length };
  } catch (cause) {
    throw torn(path, messageOf(cause), cause);
  }
}

/**
 * The blocks of a file, one after another.
 * Throws: VIG_HISTORY_TORN; VIG_HISTORY_KEY when the keys here are not those it was written with.
 */
export function* readFrames(path: string, keys: Keys): Generator<Buffer> {
  const fd = openSync(path, "r");
  try {
    const { head, sealedKey, digest, end } = headOf(fd, path);
    const dataKey = openKey(keys, head, sealedKey, path);
    let at = end;
    for (let index = 0; ; index++) {
      const start = readAt(fd, at, FRAME_HEAD_BYTES);
      if (start === null) throw torn(path, "it ends before its last block");
      const packed = start.readUInt32BE();
      const last = packed >= LAST;
      const length = last ? packed - LAST : packed;
      const sealed = length > FRAME_BYTES_MAX ? null : readAt(fd, at + FRAME_HEAD_BYTES, length);
      if (sealed === null) throw torn(path, "a block is cut off");
      const decipher = createDecipheriv("aes-256-gcm", dataKey, nonceOf(index));
      decipher.setAAD(associatedOf(digest, index, last));
      decipher.setAuthTag(start.subarray(4));
      yield opened(() => Buffer.concat([decipher.update(sealed), decipher.final()]), path);
      at += FRAME_HEAD_BYTES + length;
      if (last) return;
    }
  } finally {
    closeSync(fd);
  }
}

function opened(decrypt: () => Buffer, path: string): Buffer {
  try {
    return zstdDecompressSync(decrypt());
  } catch (cause) {
    throw torn(path, "a block fails authentication", cause);
  }
}

function openKey(keys: Keys, head: FileHead, sealedKey: string, file: string): Buffer {
  try {
    return keys.decrypt(PURPOSE, Buffer.from(sealedKey, "base64"), contextOf(head));
  } catch (cause) {
    throw new VigError("VIG_HISTORY_KEY", { file, why: messageOf(cause) }, { cause });
  }
}

/** Null when the file ends before. */
function readAt(fd: number, position: number, length: number): Buffer | null {
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  while (at < length) {
    const count = readSync(fd, bytes, at, length - at, position + at);
    if (count === 0) return null;
    at += count;
  }
  return bytes;
}
