import { ipPrefix } from "@vigie/service-kit/kms/addresses";

/** Members that hold an address, whoever wrote the payload. */
const ADDRESS_MEMBER =
  /^(ip|ip_address|ipAddress|client_ip|clientIp|remote_address|remoteAddress)$/;
/** Canonical JSON takes 256 levels, of which a leaf and a box need some. */
const DEPTH_MAX = 240;

/**
 * CNF-02: the value with every address member cut to its /24 or /48; what is no address stays.
 * Throws: RangeError for what canonical JSON does not take: too deep, a number that is none, a lone surrogate.
 */
export function redactAddresses(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return wellFormed(value);
  if (typeof value === "number" && !Number.isFinite(value)) throw new RangeError("no number");
  if (value === null || typeof value !== "object") return value;
  if (depth > DEPTH_MAX) throw new RangeError("too deep");
  if (Array.isArray(value)) return value.map((item) => redactAddresses(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => {
      const isAddress = typeof member === "string" && ADDRESS_MEMBER.test(name);
      const kept = isAddress ? ipPrefix(member) : null;
      return [wellFormed(name), kept ?? redactAddresses(member, depth + 1)];
    }),
  );
}

function wellFormed(text: string): string {
  if (!text.isWellFormed()) throw new RangeError("a lone surrogate");
  return text;
}

/** What could be an address: digits and dots, or hex digits and at least two colons. */
const ADDRESS_LIKE =
  /\b\d{1,3}(?:\.\d{1,3}){3}\b|(?<![\w:.])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:])/gi;

/** CNF-02: text with every address in it cut to its /24 or /48. */
export const redactText = (text: string): string =>
  text.replace(ADDRESS_LIKE, (found) => ipPrefix(found) ?? found);
