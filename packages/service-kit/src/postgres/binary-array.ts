/** Parameters of pg that are buffers go as they are: an array of bytes or text costs no escaping and no parsing. */

const INT8_OID = 20;
const TEXT_OID = 25;
const BYTEA_OID = 17;
const UUID_OID = 2_950;
const HEADER_BYTES = 20;
/** Before each element: its length. */
const LENGTH_BYTES = 4;
const INT8_BYTES = 8;
const UUID_BYTES = 16;

/** A bytea[] as PostgreSQL receives it in binary. */
export const byteaArray = (items: readonly Uint8Array[]): Buffer => ofBytes(BYTEA_OID, items);

/** A text[]. Shape: without NUL, which PostgreSQL refuses. */
export const textArray = (items: readonly string[]): Buffer => {
  const lengths = items.map((item) => Buffer.byteLength(item));
  const bytes = allocate(TEXT_OID, lengths);
  let at = HEADER_BYTES;
  for (const [i, item] of items.entries()) {
    at = bytes.writeInt32BE(lengths[i] ?? 0, at);
    at += bytes.write(item, at);
  }
  return bytes;
};

/** A uuid[] of ids in their usual form. */
export const uuidArray = (items: readonly string[]): Buffer => {
  const bytes = allocate(UUID_OID, new Array<number>(items.length).fill(UUID_BYTES));
  let at = HEADER_BYTES;
  for (const item of items) {
    at = bytes.writeInt32BE(UUID_BYTES, at);
    at += bytes.write(item.replaceAll("-", ""), at, "hex");
  }
  return bytes;
};

/** A bigint[] of safe integers. */
export const bigintArray = (items: readonly number[]): Buffer => {
  const bytes = allocate(INT8_OID, new Array<number>(items.length).fill(INT8_BYTES));
  let at = HEADER_BYTES;
  for (const item of items) {
    at = bytes.writeInt32BE(INT8_BYTES, at);
    at = bytes.writeBigInt64BE(BigInt(item), at);
  }
  return bytes;
};

function ofBytes(oid: number, items: readonly Uint8Array[]): Buffer {
  const bytes = allocate(
    oid,
    items.map((item) => item.length),
  );
  let at = HEADER_BYTES;
  for (const item of items) {
    at = bytes.writeInt32BE(item.length, at);
    bytes.set(item, at);
    at += item.length;
  }
  return bytes;
}

/**
 * Room for an array of one dimension without nulls, its header written.
 * Source: PostgreSQL, array_recv: dimensions, nulls, type, then length and lower bound of each dimension.
 */
function allocate(oid: number, lengths: readonly number[]): Buffer {
  const content = lengths.reduce((sum, length) => sum + LENGTH_BYTES + length, 0);
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + content);
  let at = bytes.writeInt32BE(1, 0);
  at = bytes.writeInt32BE(0, at);
  at = bytes.writeInt32BE(oid, at);
  at = bytes.writeInt32BE(lengths.length, at);
  bytes.writeInt32BE(1, at);
  return bytes;
}
