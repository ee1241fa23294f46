import { BlockList, isIPv6 } from "node:net";
import type { RawCallback } from "./provider.ts";
import { isOneOf } from "./same-secret.ts";

/** How a provider is known that signs nothing: both must fit. */
export interface UnsignedSource {
  /** Addresses or CIDRs that it calls from. */
  readonly sources: readonly string[];
  /** The part of the path that only it and we know; the current one and those before it that are still taken. */
  readonly pathSecrets: readonly string[];
}

/** Whether a request comes from where the provider calls from, on the path that only it knows. */
export function unsignedVerifier({ sources, pathSecrets }: UnsignedSource) {
  const list = new BlockList();
  for (const source of sources) {
    const [address = "", bits] = source.split("/");
    const family = isIPv6(address) ? "ipv6" : "ipv4";
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return ({ address, secret }: RawCallback): boolean => {
    if (address === null || secret === null) return false;
    const comesFromThere = list.check(address, isIPv6(address) ? "ipv6" : "ipv4");
    return isOneOf(secret, pathSecrets) && comesFromThere;
  };
}
