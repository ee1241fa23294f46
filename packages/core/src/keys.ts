/** 1..64 characters of A-Z a-z 0-9 . _ - */
export const TENANT_ID = /^[A-Za-z0-9._-]{1,64}$/;
/** 1..128 characters without '|' and control characters. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
export const USER_ID = /^[^|\u0000-\u001f\u007f]{1,128}$/;

/** Of a user's key: both names and the bar between. */
export const USER_KEY_MAX_LENGTH = 64 + 1 + 128;

/** The key of all records of one user. */
export const userKey = (tenantId: string, userId: string): string => `${tenantId}|${userId}`;

/** The key of one session on the compacted state topic. */
export const sessionKey = (tenantId: string, userId: string, sessionId: string): string =>
  `${tenantId}|${userId}|${sessionId}`;

/** A session by its names. What is derived of them is made once: whoever asks about one session often keeps this. */
export class SessionName {
  readonly tenantId: string;
  readonly userId: string;
  readonly sessionId: string;
  /** Of its records on the compacted state topic. */
  readonly key: string;
  private userHash: number | null = null;

  constructor(tenantId: string, userId: string, sessionId: string) {
    this.tenantId = tenantId;
    this.userId = userId;
    this.sessionId = sessionId;
    this.key = sessionKey(tenantId, userId, sessionId);
  }

  /** Where its user lies, of so many. */
  partition(partitions: number): number {
    this.userHash ??= hashOfText(userKey(this.tenantId, this.userId));
    return partitionOfHash(this.userHash, partitions);
  }
}

const utf8 = new TextEncoder();

/**
 * The hash that Java's default partitioner uses for keys.
 * Source: murmur2 (Austin Appleby, public domain) with Kafka's seed 0x9747b28c.
 */
export function murmur2(data: Uint8Array, length = data.length): number {
  const m = 0x5bd1e995;
  let h = 0x9747b28c ^ length;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    let k =
      (data[i] as number) |
      ((data[i + 1] as number) << 8) |
      ((data[i + 2] as number) << 16) |
      ((data[i + 3] as number) << 24);
    k = Math.imul(k, m);
    k ^= k >>> 24;
    h = Math.imul(h, m) ^ Math.imul(k, m);
  }
  const rest = length - i;
  if (rest >= 3) h ^= (data[i + 2] as number) << 16;
  if (rest >= 2) h ^= (data[i + 1] as number) << 8;
  if (rest >= 1) h = Math.imul(h ^ (data[i] as number), m);
  h = Math.imul(h ^ (h >>> 13), m);
  return h ^ (h >>> 15);
}

/** The partition of a key, as Java's producer and librdkafka's murmur2_random choose it. */
export function partitionOf(key: string | Uint8Array, partitions: number): number {
  return partitionOfHash(typeof key === "string" ? hashOfText(key) : murmur2(key), partitions);
}

const partitionOfHash = (hash: number, partitions: number): number =>
  (hash & 0x7fffffff) % partitions;

/** Keys are encoded here one after the other: an array of its own for each would cost more than the hash. */
const encoded = new Uint8Array(1_024);
/** Source: UTF-8 takes three bytes for a unit of UTF-16 at most. */
const ENCODED_LENGTH_MAX = Math.floor(encoded.length / 3);

function hashOfText(key: string): number {
  if (key.length > ENCODED_LENGTH_MAX) return murmur2(utf8.encode(key));
  return murmur2(encoded, utf8.encodeInto(key, encoded).written);
}
