import { createReadStream, statSync } from "node:fs";
import { verifyExport } from "./export.mjs";
import { createReport } from "./report.mjs";
import { verifyTiles } from "./tiles.mjs";
import { readTrust } from "./trust.mjs";

/** Pieces in which a file is read: larger ones are no faster. */
const CHUNK_BYTES = 1024 * 1024;

/**
 * Verifies what a call names. `options`: those of the command line, and `secrets`, those that sign records.
 * Returns: what report.mjs makes of it. Throws: UsageError.
 */
export async function verify(source, options) {
  const report = createReport();
  const trust = readTrust(options, report);
  try {
    if (source !== "-" && statSync(source).isDirectory()) verifyTiles(source, trust, report);
    else await verifyExport(chunksOf(source), trust, report);
  } catch (error) {
    report.unreadable(null, error.message);
  }
  return report.result();
}

const chunksOf = (source) =>
  source === "-" ? process.stdin : createReadStream(source, { highWaterMark: CHUNK_BYTES });
