import { exportOf, MemoryLog, ORIGIN, refOf, signerOf } from "./memory-log.ts";

/** Two full tiles and a part of one. */
export const LEAVES = 600;
/** Of this leaf the payload is kept aside. */
export const ASIDE = 41;
export const ERASED = refOf(3);
/** The first leaf about the erased person. */
export const ERASED_FIRST = 3;
export const FORK_AT = 300;

/** Lets a log grow: every 42nd leaf is of another tenant, the last one erases a person. */
export function grow(log: MemoryLog, upTo: number, mark = ""): MemoryLog {
  while (log.leaves.length < upTo) {
    const index = log.leaves.length;
    if (index === LEAVES - 1) log.erase(ERASED);
    else if (index === ASIDE) log.add({ aside: JSON.stringify({ many: "words" }) });
    else if (index % 42 === 0) log.add({ tenant: "globex", emitter: "edge.1", ref: refOf(90) });
    else log.add({ ref: refOf(index % 7), payload: { mark, index } });
  }
  return log;
}

export const key = signerOf(ORIGIN);
export const witness = signerOf("witness.example.net", "cosignature");
export const log = grow(new MemoryLog(), LEAVES);
/** Begins as the log does and goes on otherwise, signed by the same key. */
export const fork = grow(grow(new MemoryLog(), FORK_AT), LEAVES, "forked");

/** The checkpoint at a size, signed and cosigned. */
export const noteAt = (size = LEAVES): Promise<string> => log.checkpoint(key, [witness], size);

const note = await noteAt();
export const exports = {
  whole: await exportOf(log, { note }),
  sealed: await exportOf(log, { note, boxes: "sealed" }),
  filtered: await exportOf(log, { note, filter: { tenant: "acme", from: 0 } }),
  forked: await exportOf(fork, { note: await fork.checkpoint(key) }),
  /** Of a database of before. */
  replayed: await exportOf(grow(new MemoryLog(), 400), { note: await noteAt(400) }),
};
