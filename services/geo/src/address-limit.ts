import { addressOf } from "@vigie/service-kit/http/address";
import { sendProblem } from "@vigie/service-kit/http/problem";
import { addressUnder } from "@vigie/service-kit/kms/addresses";
import type { Keys } from "@vigie/service-kit/kms/keys";
import type { onRequestHookHandler } from "fastify";
import type { GeoContext } from "./context.ts";

/** Limits belong to no tenant; their keys are those of this name. */
const PLATFORM_TENANT = "platform";

/** One call is taken from the rate of the address that it comes from; for routes without a token. */
export function limitedByAddress({
  auth,
  addressRate,
  keys,
}: Pick<GeoContext, "auth" | "addressRate" | "keys">): onRequestHookHandler {
  const names = new LimitNames(keys);
  return function check(request, reply, done) {
    const waitMs = auth.limiter.take(names.of(request.ip), 1, addressRate);
    if (waitMs === 0) return done();
    sendProblem(reply, "VIG_RATE_LIMITED", { retryAfterS: Math.ceil(waitMs / 1_000) });
  };
}

/** Addresses whose names are kept, some 2 MB; in memory only. */
const NAMES_MAX = 10_000;

/** The names of those who called last: their HMAC anew for every call is a tenth of a detection's work. */
class LimitNames {
  private readonly keys: Pick<Keys, "hmacKey">;
  private readonly known = new Map<string, string>();
  private keyId = "";

  constructor(keys: Pick<Keys, "hmacKey">) {
    this.keys = keys;
  }

  of(ip: string): string {
    const { keyId } = this.keys.hmacKey(PLATFORM_TENANT);
    if (keyId !== this.keyId || this.known.size >= NAMES_MAX) this.known.clear();
    this.keyId = keyId;
    let name = this.known.get(ip);
    if (name === undefined) {
      name = limitKeyOf(ip, this.keys);
      this.known.set(ip, name);
    }
    return name;
  }
}

/**
 * The same in every instance, and tells nobody which address it is of. Who has one IPv6 address has its whole /64.
 * Source: RFC 6177, section 2.
 */
export function limitKeyOf(ip: string, keys: Pick<Keys, "hmacKey">): string {
  const address = addressOf(ip) ?? "unknown";
  const network = address.includes(":") ? firstGroups(address) : address;
  return `address|${addressUnder(keys.hmacKey(PLATFORM_TENANT), network)}`;
}

const GROUPS = 8;

function firstGroups(address: string): string {
  const [head = "", tail = ""] = address.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === "" ? [] : tail.split(":");
  const zeros = address.includes("::") ? GROUPS - before.length - after.length : 0;
  const groups = [...before, ...Array<string>(Math.max(0, zeros)).fill("0"), ...after];
  return groups
    .slice(0, GROUPS / 2)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}
