import { createPublicKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import type { Clock } from "@vigie/core/time";
import {
  type CryptoKey,
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTHeaderParameters,
} from "jose";
import type { Outbound } from "./outbound.ts";

export type Algorithm = "RS256" | "ES256" | "EdDSA" | "HS256";

/** Where the keys of the issuer come from. Each key is pinned to its algorithm. */
export interface KeySource {
  readonly algorithms: readonly Algorithm[];
  /** Throws: VIG_TOKEN_INVALID for a key that nobody has, VIG_KEYS_AWAY while the key set cannot be had. */
  keyOf(header: JWTHeaderParameters): Promise<CryptoKey | KeyObject | Uint8Array>;
}

/** Source: RFC 7518 section 3.3, at least 2048 bits. */
const RSA_BITS_MIN = 2_048;

/** HS256 with a shared secret: development only, the configuration sees to that (CNF-06). */
export function secretKeys(secret: string): KeySource {
  const key = new TextEncoder().encode(secret);
  return { algorithms: ["HS256"], keyOf: async () => key };
}

/**
 * One public key, as PEM or as the path of one.
 * Throws: VIG_CONFIG_INVALID when it is no public key, too short, or of an algorithm that JWT_ALGS leaves out.
 */
export function pemKeys(pemOrPath: string, accepted: readonly string[]): KeySource {
  const key = readPublicKey(pemOrPath);
  const algorithm = algorithmOf(key);
  if (algorithm === null) throw keyFault("is neither RSA, P-256 nor Ed25519");
  if (!accepted.includes(algorithm))
    throw keyFault(`is of ${algorithm}, which JWT_ALGS leaves out`);
  const bits = key.asymmetricKeyDetails?.modulusLength;
  if (bits !== undefined && bits < RSA_BITS_MIN) throw keyFault(`has under ${RSA_BITS_MIN} bits`);
  return { algorithms: [algorithm], keyOf: async () => key };
}

function readPublicKey(pemOrPath: string): KeyObject {
  try {
    // In environment files a PEM often stands on one line.
    const inline = pemOrPath.includes("-----BEGIN");
    const pem = inline ? pemOrPath.replaceAll("\\n", "\n") : readFileSync(pemOrPath, "utf8");
    if (pem.includes("PRIVATE KEY")) throw keyFault("is a private key; give the public one");
    return createPublicKey(pem);
  } catch (error) {
    throw error instanceof VigError ? error : keyFault("is no PEM of a public key");
  }
}

const keyFault = (why: string): VigError =>
  new VigError("VIG_CONFIG_INVALID", { count: 1, faults: `  JWT_PUBLIC_KEY ${why}` });

function algorithmOf(key: KeyObject): Algorithm | null {
  const { asymmetricKeyType, asymmetricKeyDetails } = key;
  if (asymmetricKeyType === "rsa") return "RS256";
  if (asymmetricKeyType === "ed25519") return "EdDSA";
  const p256 = asymmetricKeyType === "ec" && asymmetricKeyDetails?.namedCurve === "prime256v1";
  return p256 ? "ES256" : null;
}

/** A key set is fetched again at most this often, whatever tokens ask for. Source: DESIGN, Edge. */
export const JWKS_REFETCH_MS = 30_000;
/** A known key set is taken as current this long. Source: as jose's cacheMaxAge. */
export const JWKS_FRESH_MS = 600_000;

export interface JwksOptions {
  readonly url: string;
  readonly accepted: readonly Algorithm[];
  readonly outbound: Pick<Outbound, "json">;
  readonly log: Logger;
  readonly clock: Clock;
}

type KeySet = ReturnType<typeof createLocalJWKSet>;

/**
 * The key set behind a URL. An unknown key id makes it look again, never more than once in 30 s. While the
 * issuer is away the keys known so far stay valid. `jku` and `x5u` of a token are never looked at.
 */
export function jwksKeys(options: JwksOptions): KeySource {
  const { url, outbound, log, clock } = options;
  let known: { readonly keys: KeySet; readonly atMs: number } | null = null;
  let attemptedMs = Number.NEGATIVE_INFINITY;
  let pending: Promise<void> | null = null;

  const refresh = async (): Promise<void> => {
    try {
      const set = (await outbound.json(url)) as JSONWebKeySet;
      known = { keys: createLocalJWKSet(set), atMs: clock() };
    } catch (error) {
      const { code } = error as { code?: unknown };
      log.warn({ code: String(code) }, "the issuer's keys cannot be fetched");
    }
  };
  const mayRefresh = async (): Promise<void> => {
    if (pending === null && clock() - attemptedMs >= JWKS_REFETCH_MS) {
      attemptedMs = clock();
      pending = refresh().finally(() => {
        pending = null;
      });
    }
    await pending;
  };
  const keyOf: KeySource["keyOf"] = async (header) => {
    if (known === null || clock() - known.atMs >= JWKS_FRESH_MS) await mayRefresh();
    if (known === null) throw new VigError("VIG_KEYS_AWAY", { retryAfterS: 30 });
    // Only what names a key: a header's jku, x5u or jwk never counts.
    const name = { alg: header.alg, ...(header.kid !== undefined && { kid: header.kid }) };
    const found = await keyIn(known.keys, name);
    if (found !== null) return found;
    await mayRefresh();
    const again = await keyIn(known.keys, name);
    if (again === null)
      throw new VigError("VIG_TOKEN_INVALID", { why: "signed by an unknown key" });
    return again;
  };
  return { algorithms: options.accepted, keyOf };
}

async function keyIn(
  keys: KeySet,
  header: { readonly alg: string; readonly kid?: string },
): Promise<CryptoKey | null> {
  try {
    return await keys(header);
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey) return null;
    // Several keys fit a token without a key id: which one is meant nobody can say.
    if (error instanceof errors.JWKSMultipleMatchingKeys) return null;
    throw error;
  }
}
