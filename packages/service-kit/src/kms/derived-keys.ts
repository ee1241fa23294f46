import { hkdfSync } from "node:crypto";
import { assert } from "@vigie/core/assert";
import { VigError } from "@vigie/core/errors";
import { type Clock, DAY_MS } from "@vigie/core/time";
import { openEnvelope, sealEnvelope } from "./envelope.ts";
import { type HmacKey, type Keys, REPLACED_KEY_VALID_DAYS } from "./keys.ts";
import type { MasterKey } from "./keys-file.ts";

/** Derived keys that are kept; past it all are derived anew, some 3 µs each. */
const DERIVED_MAX = 20_000;
const KEY_BYTES = 32;

/**
 * Keys by HKDF-SHA-256 (RFC 5869) from master keys, oldest first: one for each tenant or purpose
 * and version. A version is current from its time on until the next one's.
 */
export function derivedKeys(masters: readonly MasterKey[], clock: Clock): Keys {
  assert(masters.length > 0, "there is a master key");
  const derive = cachedDerivation();
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
  const hmac = (tenantId: string, master: MasterKey): HmacKey => ({
    keyId: master.keyId,
    key: derive(master, `hmac|${tenantId}`),
  });
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
    hmacKey: (tenantId) => hmac(tenantId, at(current())),
    hmacKeyById: (tenantId, keyId) => hmac(tenantId, byId(keyId, comparable(), tenantId)),
    comparableHmacKeys: (tenantId) => comparable().map((master) => hmac(tenantId, master)),
    encrypt(purpose, plaintext, context) {
      const master = at(current());
      const wrapping = { keyId: master.keyId, key: derive(master, `data|${purpose}`) };
      return sealEnvelope(wrapping, plaintext, `${purpose}|${context}`);
    },
    decrypt: (purpose, envelope, context) =>
      openEnvelope(envelope, `${purpose}|${context}`, (keyId) =>
        derive(byId(keyId, masters, "*"), `data|${purpose}`),
      ),
  };
}

function cachedDerivation(): (master: MasterKey, info: string) => Buffer {
  const derived = new Map<string, Buffer>();
  return (master, info) => {
    const name = `${master.keyId}|${info}`;
    const known = derived.get(name);
    if (known !== undefined) return known;
    if (derived.size >= DERIVED_MAX) derived.clear();
    const key = Buffer.from(hkdfSync("sha256", master.secret, "vigie", info, KEY_BYTES));
    derived.set(name, key);
    return key;
  };
}
