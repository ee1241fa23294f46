import { SessionName } from "@vigie/core/keys";
import type { Caller } from "../http/jwt.ts";

/** A caller is known for as long as its token is remembered, and asks with each call. */
const names = new WeakMap<Caller, SessionName>();

/** The session that a caller's token names; null for a service. */
export function sessionOfCaller(caller: Caller): SessionName | null {
  const { tenantId, subject, sessionId } = caller;
  if (sessionId === null) return null;
  const known = names.get(caller);
  if (known !== undefined) return known;
  const name = new SessionName(tenantId, subject, sessionId);
  names.set(caller, name);
  return name;
}
