import { createHmac, hkdfSync } from "node:crypto";
import { fromBase64 } from "./bytes.mjs";

const derive = (secret, use, length) =>
  Buffer.from(hkdfSync("sha256", secret, "vigie", `audit.${use}`, length));

/**
 * Verifies the HMAC of records with the signing secrets there are.
 * Returns of `check`: what is wrong, or null. A record of a secret that is not there is counted and not judged.
 */
export function createRecordCheck(secrets, report) {
  const keys = new Map(
    secrets.map((secret) => [
      derive(secret, "key-id", 8).toString("hex"),
      derive(secret, "sign", 32),
    ]),
  );
  const facts = { verified: 0, unknown_key: 0 };
  if (secrets.length > 0) report.facts.hmac = facts;

  return (hash, { sig, key_id }) => {
    const given = fromBase64(sig);
    if (given?.length !== 32 || typeof key_id !== "string") return "it has no record signature";
    const key = keys.get(key_id);
    if (key === undefined) {
      facts.unknown_key += 1;
      return null;
    }
    facts.verified += 1;
    return createHmac("sha256", key).update(hash).digest().equals(given)
      ? null
      : "its record signature is false";
  };
}
