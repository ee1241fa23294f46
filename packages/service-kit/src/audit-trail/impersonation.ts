import { USER_ID } from "@vigie/core/keys";
import type { FastifyRequest } from "fastify";
import type { Caller } from "../http/jwt.ts";

/** Somebody who acts as somebody else (AUD-12). */
export interface Impersonation {
  readonly impersonatorId: string;
  readonly impersonatedId: string;
}

/** Source: IMP-06. */
const ADMIN_HEADER = "x-impersonation-admin";
const TARGET_HEADER = "x-impersonation-target";

/**
 * Who is behind a call: by its token, else by what a trusted proxy says of it. Null: nobody but the caller, or the
 * headers are no two ids (see `impersonationFault`, which refuses such a call).
 */
export function impersonationOf(caller: Caller, request: FastifyRequest): Impersonation | null {
  if (caller.impersonatorId !== null) {
    return { impersonatorId: caller.impersonatorId, impersonatedId: caller.subject };
  }
  if (!isSaidByHeaders(request) || impersonationFault(caller, request) !== null) return null;
  const { [ADMIN_HEADER]: impersonatorId, [TARGET_HEADER]: impersonatedId } = request.headers;
  return { impersonatorId: String(impersonatorId), impersonatedId: String(impersonatedId) };
}

/** Why what the headers say cannot be taken, or null. A token wins over them, so they must not say otherwise. */
export function impersonationFault(caller: Caller, request: FastifyRequest): string | null {
  if (!isSaidByHeaders(request)) return null;
  const { [ADMIN_HEADER]: admin, [TARGET_HEADER]: target } = request.headers;
  if (!isId(admin) || !isId(target))
    return `${ADMIN_HEADER} and ${TARGET_HEADER} name no two users`;
  if (caller.kind === "user" && target !== caller.subject) {
    return `${TARGET_HEADER} is not the token's subject`;
  }
  const { impersonatorId } = caller;
  if (impersonatorId === null || impersonatorId === admin) return null;
  return `${ADMIN_HEADER} is not the one that the token names`;
}

/**
 * Only a trusted proxy says so: from anybody else the headers are nothing. Source: Fastify's `ips` begins with the
 * peer, and has a second address only where the peer is trusted and passed one on.
 */
function isSaidByHeaders({ headers, ips }: FastifyRequest): boolean {
  const isSaid = headers[ADMIN_HEADER] !== undefined || headers[TARGET_HEADER] !== undefined;
  return isSaid && (ips?.length ?? 0) > 1;
}

const isId = (text: string | string[] | undefined): text is string =>
  typeof text === "string" && USER_ID.test(text) && text.isWellFormed();
