import { createHmac, hkdfSync } from "node:crypto";
import { fromBase64 } from "./bytes.mjs";

const derive = (secret, use, length) =>
  Buffer.from(hkdfSync("sha256", secret, "vigie", `audit.${use}`, length));

/**
 * Verifies the HMAC of records with the signing secrets there are; without any, only their shape.
 * Returns of the check: what is wrong with a record, or null.
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

  function verify(index, hash, { key_id }, given) {
    const key = keys.get(key_id);
    if (key === undefined) {
      if (facts.unknown_key === 0)
        report.incomplete(index, "the secret of its record signature is not given");
      facts.unknown_key += 1;
      return null;
    }
    facts.verified += 1;
    const computed = createHmac("sha256", key).update(hash).digest();
    return computed.equals(given) ? null : "its record signature is false";
  }

  return (index, hash, line) => {
    const given = fromBase64(line.sig);
    if (given?.length !== 32 || typeof line.key_id !== "string")
      return "it has no record signature";
    return secrets.length === 0 ? null : verify(index, hash, line, given);
  };
}
