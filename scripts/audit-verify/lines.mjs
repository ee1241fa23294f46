/** Much more than a leaf with its opened boxes and a tile take, and little enough to hold. */
export const LINE_BYTES_MAX = 8 * 1024 * 1024;
const NEWLINE = 0x0a;

/**
 * Calls `onLine(bytes, isWhole)` for every line, the last one also if its newline is missing (isWhole: false), until it
 * returns false. Holds one line at a time. Throws: a RangeError for a line over the limit, with its number from 1.
 */
export async function eachLine(chunks, onLine) {
  let pieces = [];
  let length = 0;
  let number = 1;

  function add(piece) {
    length += piece.length;
    if (length > LINE_BYTES_MAX) throw new RangeError(`line ${number} is longer than 8 MiB`);
    pieces.push(piece);
  }

  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      add(chunk.subarray(start, end));
      if (onLine(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces), true) === false) return;
      pieces = [];
      length = 0;
      number += 1;
      start = end + 1;
    }
    if (start < chunk.length) add(chunk.subarray(start));
  }
  if (length > 0) onLine(Buffer.concat(pieces), false);
}
