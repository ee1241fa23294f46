import { uuidV5 } from "./uuid-v5.ts";

/** Namespace of name-based ids. Fixed for ever: another one would rename every row. */
const NAMESPACE = Buffer.from("6b1f5a0e4c3d5e8f9a7b2d4c6e8f0a1b", "hex");

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** What an id is of; part of its name, so that a user and a session of one name differ. */
export type IdKind =
  | "tenant"
  | "user"
  | "device"
  | "session"
  | "event"
  | "anomaly"
  | "revocation"
  | "command"
  | "decision"
  | "subject";

/** The UUID of `tenant|kind|id`. */
export const nameUuid = (tenantId: string, kind: IdKind, id: string): string =>
  uuidV5(NAMESPACE, `${tenantId}|${kind}|${id}`);

export const isUuid = (id: string): boolean => UUID.test(id);

/** CNF-10: an id that is a UUID stays itself, in lower case; any other gets its name-based one. */
export function uuidOf(tenantId: string, kind: IdKind, id: string): string {
  return UUID.test(id) ? id.toLowerCase() : nameUuid(tenantId, kind, id);
}

/** Whether an id has the look of `nameUuid`: then the text that it was made of is another. */
export const isNameUuid = (id: string): boolean => UUID.test(id) && id.charAt(14) === "5";

/** Stands for the session of what one user did without any. */
export const noSessionUuid = (tenantId: string, userId: string): string =>
  nameUuid(tenantId, "session", `none|${userId}`);

/** Tenants are few and their UUID is asked for with every row. */
const tenants = new Map<string, string>();
const TENANTS_MAX = 10_000;

/** A tenant's own UUID. */
export function tenantUuid(tenantId: string): string {
  const known = tenants.get(tenantId);
  if (known !== undefined) return known;
  if (tenants.size >= TENANTS_MAX) tenants.clear();
  const uuid = uuidOf(tenantId, "tenant", tenantId);
  tenants.set(tenantId, uuid);
  return uuid;
}
