const ZERO = 0x30;
const NINE = 0x39;
const DOT = 0x2e;
const COLON = 0x3a;

/**
 * The words of the address parsed last, most significant first; a v4 address is in words[0] alone. One array for
 * all: addresses are parsed for every event, and each is used before the next is parsed.
 */
export const words = new Uint32Array(4);

type Family = 4 | 6 | 0;

let parsed = "";
let parsedFamily: Family = 0;

/**
 * Parses the text of an address into `words`. Returns: 4, 6 (a v4-mapped one is 4), or 0 for anything else.
 * Several ask of one event's address, one after the other: it is parsed for the first of them.
 */
export function parseAddress(text: string): Family {
  if (text !== parsed) {
    parsed = text;
    parsedFamily = parse(text);
  }
  return parsedFamily;
}

function parse(text: string): Family {
  if (text.length > 45) return 0;
  return text.includes(":") ? parseV6(text) : parseV4(text, 0) ? 4 : 0;
}

/** Four decimal numbers from `from` to the end, without leading zeros, into words[0]. */
function parseV4(text: string, from: number): boolean {
  let value = 0;
  let part = -1;
  let parts = 0;
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= ZERO && code <= NINE) {
      if (part === 0) return false;
      part = part < 0 ? code - ZERO : part * 10 + code - ZERO;
      if (part > 255) return false;
    } else if (code === DOT && part >= 0 && parts < 3) {
      value = value * 256 + part;
      parts++;
      part = -1;
    } else return false;
  }
  if (parts !== 3 || part < 0) return false;
  words[0] = value * 256 + part;
  return true;
}

const groups = new Uint16Array(8);

/** Source: RFC 4291, section 2.2: up to eight groups, one "::", a dotted tail. No zone, which is local only. */
function parseV6(text: string): Family {
  let count = 0;
  let gap = -1;
  let at = 0;
  if (text.startsWith("::")) {
    gap = 0;
    at = 2;
  }
  while (at < text.length) {
    if (count === 8) return 0;
    const start = at;
    let value = 0;
    while (at < text.length) {
      const digit = hexDigit(text.charCodeAt(at));
      if (digit < 0) break;
      value = value * 16 + digit;
      at++;
    }
    if (text.charCodeAt(at) === DOT) {
      if (count > 6 || !parseV4(text, start)) return 0;
      groups[count++] = (words[0] as number) >>> 16;
      groups[count++] = (words[0] as number) & 0xffff;
      break;
    }
    if (at === start || at - start > 4) return 0;
    groups[count++] = value;
    if (at === text.length) break;
    if (text.charCodeAt(at++) !== COLON || at === text.length) return 0;
    if (text.charCodeAt(at) === COLON) {
      if (gap >= 0) return 0;
      gap = count;
      at++;
    }
  }
  if (gap < 0 ? count !== 8 : count > 7) return 0;
  return spread(count, gap < 0 ? count : gap);
}

/** Puts the groups on both sides of the gap into `words`. */
function spread(count: number, gap: number): 4 | 6 {
  const missing = 8 - count;
  const group = (i: number): number => {
    if (i < gap) return groups[i] as number;
    return i < gap + missing ? 0 : (groups[i - missing] as number);
  };
  for (let i = 0; i < 4; i++) words[i] = group(2 * i) * 0x1_0000 + group(2 * i + 1);
  if (words[0] !== 0 || words[1] !== 0 || words[2] !== 0xffff) return 6;
  words[0] = words[3] as number;
  return 4;
}

function hexDigit(code: number): number {
  if (code >= ZERO && code <= NINE) return code - ZERO;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

interface Block {
  readonly first: number;
  readonly last: number;
}

function block(text: string, bits: number): Block {
  parseAddress(text);
  const first = words[0] as number;
  return { first, last: first + 2 ** (32 - bits) - 1 };
}

/** Addresses that belong to nobody in public. Source: IANA IPv4 Special-Purpose Address Registry, and multicast. */
const notPublic: readonly Block[] = [
  block("0.0.0.0", 8),
  block("10.0.0.0", 8),
  block("100.64.0.0", 10),
  block("127.0.0.0", 8),
  block("169.254.0.0", 16),
  block("172.16.0.0", 12),
  block("192.0.0.0", 24),
  block("192.0.2.0", 24),
  block("192.168.0.0", 16),
  block("198.18.0.0", 15),
  block("198.51.100.0", 24),
  block("203.0.113.0", 24),
  block("224.0.0.0", 3),
];

/** Whether the address in `words` can have a place. Source for v6: global unicast is 2000::/3 (RFC 4291). */
export function isPublic(family: 4 | 6): boolean {
  const high = words[0] as number;
  if (family === 6) return high >>> 29 === 1 && high !== DOCUMENTATION_V6;
  for (const { first, last } of notPublic) if (high >= first && high <= last) return false;
  return true;
}

/** 2001:db8::/32. Source: RFC 3849. */
const DOCUMENTATION_V6 = 0x2001_0db8;
