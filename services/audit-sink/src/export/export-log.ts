import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { exportLines } from "@vigie/service-kit/audit/export";
import { leavesIn, newestTree } from "@vigie/service-kit/audit/leaves";
import { createOpenLeaves } from "@vigie/service-kit/audit/subjects";
import type { Keys } from "@vigie/service-kit/kms/keys";
import type { OperatorDeed } from "@vigie/service-kit/operator-audit";
import type { Database } from "@vigie/service-kit/postgres/database";

export interface LogExport {
  readonly db: Database;
  /** Name of the log. */
  readonly origin: string;
  /** Up to the newest tree that a witness cosigned. */
  readonly isWitnessed?: boolean;
  /** Null: boxes stay sealed. */
  readonly keys: Keys | null;
  /** Before the first line. Throws: then nothing is written. */
  record(deed: OperatorDeed): Promise<void>;
  /** Told of each progress line. */
  onProgress(read: number, of: number): void;
}

/**
 * Writes the whole log up to its newest signed tree to what `open` gives. Returns: how many leaves that has.
 * Throws: VIG_AUDIT_NOT_SIGNED; VIG_AUDIT_WRITE_FAILED; VIG_DATABASE_AWAY; what the writable says. Then the export has no end.
 */
export async function exportLog(parts: LogExport, open: () => Writable): Promise<number> {
  const { db, origin, keys, isWitnessed = false } = parts;
  const tree = await newestTree(db, origin, { tenant: null, isWitnessed });
  const opener = keys === null ? null : createOpenLeaves(keys);
  const boxes = keys === null ? "sealed" : "opened";
  const payload = { filter: {}, boxes, tree_size: tree.size };
  await parts.record({ action: "audit.exported", payload });
  const source = leavesIn(db, () => opener);
  const lines = exportLines(source, { tree, filter: {}, boxes });
  const out = open();
  await pipeline(Readable.from(told(lines, parts)), out, { end: out !== process.stdout });
  return tree.size;
}

interface Progress {
  readonly progress?: { readonly read: number; readonly of: number };
}

async function* told(
  lines: AsyncIterable<string>,
  { onProgress }: Pick<LogExport, "onProgress">,
): AsyncGenerator<string> {
  for await (const piece of lines) {
    yield piece;
    if (!piece.startsWith('{"progress"')) continue;
    const { progress } = JSON.parse(piece) as Progress;
    if (progress !== undefined) onProgress(progress.read, progress.of);
  }
}
