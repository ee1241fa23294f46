import { hkdfSync } from "node:crypto";
import { assert } from "@vigie/core/assert";
import { VigError } from "@vigie/core/errors";
import { type Clock, DAY_MS } from "@vigie/core/time";
import { openEnvelope, sealEnvelope } from "./envelope.ts";
import { type HmacKey, type Keys, REPLACED_KEY_VALID_DAYS } from "./keys.ts";
import type { MasterKey } from "./keys-file.ts";

/** Derived keys that are kept of each master and kind; past it all are derived anew, some 3 µs each. */
const DERIVED_MAX = 20_000;
const KEY_BYTES = 32;

/**
 * Keys by HKDF-SHA-256 (RFC 5869) from master keys, oldest first: one for each tenant or purpose
 * and version. A version is current from its time on until the next one's.
 */
export function derivedKeys(masters: readonly MasterKey[], clock: Clock): Keys {
  assert(masters.length > 0, "there is a master key");
  const hmac = derivedOnce(
    (master, tenantId): HmacKey => ({
      keyId: master.keyId,
      key: derive(master, `hmac|${tenantId}`),
    }),
  );
  const wrapping = derivedOnce((master, purpose) => derive(master, `data|${purpose}`));
  const current = (): number => {
    const nowMs = clock();
    // Before the first one's time it is still the only one there is.
    return Math.max(
      0,
      masters.findLastIndex((master) => master.activeFromMs <= nowMs),
    );
  };
  const at = (index: number): MasterKey => {
    const master = masters[index];
    assert(master !== undefined, "a master key is within the list");
    return master;
  };
  const comparable = (): readonly MasterKey[] => {
    const validFromMs = clock() - REPLACED_KEY_VALID_DAYS * DAY_MS;
    const upTo = masters.slice(0, current() + 1);
    const valid = upTo.filter((_, index) => {
      const next = upTo[index + 1];
      return next === undefined || next.activeFromMs > validFromMs;
    });
    return valid.reverse();
  };
  const byId = (keyId: string, among: readonly MasterKey[], tenantId: string): MasterKey => {
    const master = among.find((candidate) => candidate.keyId === keyId);
    if (master === undefined) throw new VigError("VIG_KEY_UNKNOWN", { keyId, tenantId });
    return master;
  };
  return {
    hmacKey: (tenantId) => hmac(at(current()), tenantId),
    hmacKeyById: (tenantId, keyId) => hmac(byId(keyId, comparable(), tenantId), tenantId),
    comparableHmacKeys: (tenantId) => comparable().map((master) => hmac(master, tenantId)),
    encrypt(purpose, plaintext, context) {
      const master = at(current());
      const key = { keyId: master.keyId, key: wrapping(master, purpose) };
      return sealEnvelope(key, plaintext, `${purpose}|${context}`);
    },
    decrypt: (purpose, envelope, context) =>
      openEnvelope(envelope, `${purpose}|${context}`, (keyId) =>
        wrapping(byId(keyId, masters, "*"), purpose),
      ),
  };
}

const derive = ({ secret }: MasterKey, info: string): Buffer =>
  Buffer.from(hkdfSync("sha256", secret, "vigie", info, KEY_BYTES));

/** Found by the name as it is asked for: to put a longer one together for each look would cost more than the look. */
function derivedOnce<V>(make: (master: MasterKey, name: string) => V) {
  const made = new Map<MasterKey, Map<string, V>>();
  return (master: MasterKey, name: string): V => {
    const its = made.get(master) ?? new Map<string, V>();
    const known = its.get(name);
    if (known !== undefined) return known;
    if (its.size >= DERIVED_MAX) its.clear();
    const derived = make(master, name);
    made.set(master, its.set(name, derived));
    return derived;
  };
}
