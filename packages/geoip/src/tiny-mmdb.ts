/** Builds small mmdb files for tests. Source: MaxMind DB File Format Specification 2.0. */

export type MmdbValue = string | number | { readonly [key: string]: MmdbValue };

export interface Network {
  /** The bits of its prefix, e.g. "00101001". */
  readonly prefix: string;
  readonly record: MmdbValue;
}

export interface MmdbOptions {
  readonly recordSize?: 24 | 28 | 32;
  readonly ipVersion?: 4 | 6;
  /** What it calls itself. */
  readonly type?: string;
  readonly builtAtMs?: number;
}

type Node = [Node | Leaf | null, Node | Leaf | null];
interface Leaf {
  readonly record: MmdbValue;
}

const METADATA_MARKER = Buffer.from("\xab\xcd\xefMaxMind.com", "latin1");

export function tinyMmdb(
  networks: readonly Network[],
  { recordSize = 24, ipVersion = 4, type = "tiny", builtAtMs = 1_000 }: MmdbOptions = {},
): Buffer {
  const root: Node = [null, null];
  for (const { prefix, record } of networks) insert(root, prefix, { record });
  const nodes: Node[] = [root];
  for (let i = 0; i < nodes.length; i++) {
    for (const child of nodes[i] as Node) if (Array.isArray(child)) nodes.push(child);
  }
  const data: Buffer[] = [];
  let dataBytes = 0;
  const pointerOf = (child: Node[number]): number => {
    if (child === null) return nodes.length;
    if (Array.isArray(child)) return nodes.indexOf(child);
    const pointer = nodes.length + 16 + dataBytes;
    const bytes = encode(child.record);
    data.push(bytes);
    dataBytes += bytes.length;
    return pointer;
  };
  const tree = nodes.map(([left, right]) => pair(pointerOf(left), pointerOf(right), recordSize));
  const metadata = encode({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: Math.floor(builtAtMs / 1_000),
    database_type: type,
    ip_version: ipVersion,
    node_count: nodes.length,
    record_size: recordSize,
  });
  return Buffer.concat([...tree, Buffer.alloc(16), ...data, METADATA_MARKER, metadata]);
}

function insert(root: Node, prefix: string, leaf: Leaf): void {
  let node = root;
  for (const bit of prefix.slice(0, -1)) {
    const side = Number(bit);
    const next = node[side];
    if (Array.isArray(next)) node = next;
    else {
      const fresh: Node = [null, null];
      node[side] = fresh;
      node = fresh;
    }
  }
  node[Number(prefix.at(-1))] = leaf;
}

function pair(left: number, right: number, recordSize: 24 | 28 | 32): Buffer {
  const bytes = Buffer.alloc(recordSize / 4);
  if (recordSize === 32) {
    bytes.writeUInt32BE(left, 0);
    bytes.writeUInt32BE(right, 4);
    return bytes;
  }
  bytes.writeUIntBE(left & 0xff_ffff, 0, 3);
  bytes.writeUIntBE(right & 0xff_ffff, recordSize === 24 ? 3 : 4, 3);
  if (recordSize === 28) bytes[3] = ((left >>> 24) << 4) | (right >>> 24);
  return bytes;
}

function encode(value: MmdbValue): Buffer {
  if (typeof value === "string") {
    const text = Buffer.from(value);
    const head = text.length < 29 ? [0x40 | text.length] : [0x40 | 29, text.length - 29];
    return Buffer.concat([Buffer.from(head), text]);
  }
  if (typeof value === "number") {
    if (Number.isInteger(value) && value >= 0) {
      const bytes = Buffer.alloc(5);
      bytes[0] = 0xc4;
      bytes.writeUInt32BE(value, 1);
      return bytes;
    }
    const bytes = Buffer.alloc(9);
    bytes[0] = 0x68;
    bytes.writeDoubleBE(value, 1);
    return bytes;
  }
  const entries = Object.entries(value);
  const parts = entries.flatMap(([key, inner]) => [encode(key), encode(inner)]);
  return Buffer.concat([Buffer.from([0xe0 | entries.length]), ...parts]);
}
