import { NO_USER_AGENT } from "@vigie/schemas/audit-actions";
import { USER_AGENT_MAX_LENGTH } from "@vigie/schemas/constraints";
import type { Actor, ActorRef, ActorType } from "@vigie/schemas/types";
import type { FastifyRequest } from "fastify";
import { addressOf } from "../http/address.ts";
import type { Caller } from "../http/jwt.ts";
import { impersonationOf } from "./impersonation.ts";

/**
 * AUD-03, AUD-04: who calls, from where and with what; for records that stay inside Vigie. AUD-12: who calls as
 * somebody else, also through a service, is that person, and the administrator behind them.
 */
export function actorOf(caller: Caller, request: FastifyRequest, type: ActorType): Actor {
  return {
    ...actorRefOf(caller, request, type),
    ip: addressOf(request.ip),
    user_agent: userAgentOf(request.headers["user-agent"]),
  };
}

/** The same without address and user agent. */
export function actorRefOf(caller: Caller, request: FastifyRequest, type: ActorType): ActorRef {
  const impersonation = impersonationOf(caller, request);
  if (impersonation === null) return { type, id: caller.subject, impersonator_id: null };
  const { impersonatedId: id, impersonatorId: impersonator_id } = impersonation;
  return { type: type === "SYSTEM" ? "USER" : type, id, impersonator_id };
}

/** AUD-11. Source: SES-24's text column takes no NUL, and a record no lone surrogate. */
export function userAgentOf(header: string | null | undefined): string {
  const text = (header ?? "").replaceAll("\0", "").slice(0, USER_AGENT_MAX_LENGTH).toWellFormed();
  return text === "" ? NO_USER_AGENT : text;
}
