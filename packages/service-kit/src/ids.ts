import { createHash } from "node:crypto";

/** Namespace of name-based ids. Fixed for ever: another one would rename every row. */
const NAMESPACE = Buffer.from("6b1f5a0e4c3d5e8f9a7b2d4c6e8f0a1b", "hex");

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** What an id is of; part of its name, so that a user and a session of one name differ. */
export type IdKind = "tenant" | "user" | "device" | "session" | "event" | "anomaly" | "revocation";

/**
 * The UUID of `tenant|kind|id`.
 * Source: RFC 9562 section 5.5, version 5 (SHA-1 of namespace and name).
 */
export function nameUuid(tenantId: string, kind: IdKind, id: string): string {
  const name = Buffer.from(`${tenantId}|${kind}|${id}`);
  const bytes = createHash("sha1").update(NAMESPACE).update(name).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  const cuts = [0, 8, 12, 16, 20, 32];
  return cuts
    .slice(1)
    .map((end, i) => hex.slice(cuts[i], end))
    .join("-");
}

/** CNF-10: an id that is a UUID stays itself, in lower case; any other gets its name-based one. */
export function uuidOf(tenantId: string, kind: IdKind, id: string): string {
  return UUID.test(id) ? id.toLowerCase() : nameUuid(tenantId, kind, id);
}

/** A tenant's own UUID. */
export const tenantUuid = (tenantId: string): string => uuidOf(tenantId, "tenant", tenantId);
