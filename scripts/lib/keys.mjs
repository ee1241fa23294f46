import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HOME } from "./base.mjs";
import { exists } from "./processes.mjs";

const KEYS = join(HOME, "keys");
/** Name of the audit log of this machine; services refuse it in production. */
export const DEVELOPMENT_ORIGIN = "vigie-audit";

export const keyFiles = {
  jwtPrivate: join(KEYS, "jwt-private.pem"),
  jwtPublic: join(KEYS, "jwt-public.pem"),
  worm: join(KEYS, "worm.secret"),
  ussd: join(KEYS, "ussd.secret"),
  kms: join(KEYS, "kms.json"),
  checkpoints: join(KEYS, "audit.key"),
  database: join(KEYS, "database.secret"),
};

/**
 * Keys of this machine for development, each made once and readable by its owner only.
 * Returns: {databasePassword, wormSecret, ussdSecret}; the others are used by path.
 */
export function ensureKeys() {
  mkdirSync(KEYS, { recursive: true, mode: 0o700 });
  if (!exists(keyFiles.jwtPrivate) || !exists(keyFiles.jwtPublic)) makeJwtPair();
  once(keyFiles.worm, () => randomBytes(32).toString("hex"));
  once(keyFiles.ussd, () => randomBytes(32).toString("hex"));
  once(keyFiles.database, () => randomBytes(16).toString("hex"));
  once(keyFiles.kms, masterKeys);
  once(keyFiles.checkpoints, () => checkpointKey(DEVELOPMENT_ORIGIN));
  const read = (file) => readFileSync(file, "utf8").trim();
  return {
    databasePassword: read(keyFiles.database),
    wormSecret: read(keyFiles.worm),
    ussdSecret: read(keyFiles.ussd),
  };
}

function once(file, make) {
  if (!exists(file)) writeFileSync(file, `${make()}\n`, { mode: 0o600 });
}

/** RS256 wants 2,048 bits or more (RFC 7518, 3.3). */
function makeJwtPair() {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", {
    modulusLength: 2_048,
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  writeFileSync(keyFiles.jwtPrivate, privateKey, { mode: 0o600 });
  writeFileSync(keyFiles.jwtPublic, publicKey, { mode: 0o600 });
}

/** The shape that packages/service-kit/src/kms/keys-file.ts reads: one key of 32 bytes. */
function masterKeys() {
  const key = {
    id: "k1",
    active_from: new Date().toISOString(),
    secret: randomBytes(32).toString("base64"),
  };
  return JSON.stringify({ keys: [key] }, null, 2);
}

/** The shape that packages/service-kit/src/kms/signing-key.ts reads and explains: an Ed25519 key in one line. */
export function checkpointKey(name) {
  const ED25519 = Buffer.from([0x01]);
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  // The last 32 bytes of either form are the key itself (RFC 8410).
  const seed = privateKey.export({ type: "pkcs8", format: "der" }).subarray(-32);
  const point = publicKey.export({ type: "spki", format: "der" }).subarray(-32);
  const hash = createHash("sha256").update(`${name}\n`).update(ED25519).update(point).digest("hex");
  const secret = Buffer.concat([ED25519, seed]).toString("base64");
  return `PRIVATE+KEY+${name}+${hash.slice(0, 8)}+${secret}`;
}
