import { BlockList, isIP, isIPv4 } from "node:net";

/**
 * Addresses that an outbound call must not reach: this host, private and link-local networks, and the rest of
 * what is not public. Source: IANA special-purpose address registries for IPv4 and IPv6.
 */
const special4: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
];

/** Only global unicast is public; of it these parts are not, or hide an IPv4 address. */
const special6: readonly (readonly [string, number])[] = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
];

const refused = new BlockList();
for (const [net, bits] of special4) refused.addSubnet(net, bits, "ipv4");
for (const [net, bits] of special6) refused.addSubnet(net, bits, "ipv6");
const globalUnicast = new BlockList();
globalUnicast.addSubnet("2000::", 3, "ipv6");

/** True for an address on the public Internet; false for anything else, also for what is no address. */
export function isPublicAddress(address: string): boolean {
  const plain = plainAddress(address);
  if (isIPv4(plain)) return !refused.check(plain, "ipv4");
  if (isIP(plain) !== 6) return false;
  return globalUnicast.check(plain, "ipv6") && !refused.check(plain, "ipv6");
}

/** An IPv4 address that came mapped into IPv6 (::ffff:192.0.2.1) as what it is. */
export function plainAddress(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  return mapped?.[1] ?? address;
}

/** A request's address, or null: a trusted proxy may pass on any text that a client put into X-Forwarded-For. */
export function addressOf(given: string | undefined): string | null {
  const address = plainAddress(given ?? "");
  return isIP(address) === 0 ? null : address;
}
