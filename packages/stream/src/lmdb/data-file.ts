import { open } from "node:fs/promises";
import { join } from "node:path";

export const DATA_FILE = "data.mdb";

/** Of the page at the file's begin and the one after it. Source: mdb.c of lmdb 3, MDB_page, MDB_meta. */
const META = { magicAt: 24, pageBytesAt: 48, bytes: 52 } as const;
/** MDB_MAGIC and MDB_DATA_VERSION, as the little-endian machines that we run on write them. */
const MAGIC = Buffer.from("dec0efbe02000000", "hex");

/**
 * Whether LMDB would take it for a store, or for none yet. What else lies there, as a disk that was full at the first
 * opening leaves it, is not refused by the driver: the process ends by SIGSEGV, at each start again.
 */
export async function isDatabase(directory: string): Promise<boolean> {
  try {
    await using file = await open(join(directory, DATA_FILE), "r");
    const { size } = await file.stat();
    if (size === 0) return true;
    const head = Buffer.alloc(META.bytes);
    await file.read(head, 0, META.bytes, 0);
    const pageBytes = head.readUInt32LE(META.pageBytesAt);
    if (!isMeta(head) || size < 2 * pageBytes) return false;
    await file.read(head, 0, META.bytes, pageBytes);
    return isMeta(head);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return true;
    throw thrown;
  }
}

const isMeta = (head: Buffer): boolean => head.indexOf(MAGIC, META.magicAt) === META.magicAt;
