import { USER_AGENT_MAX_LENGTH } from "@vigie/schemas/constraints";
import type { Actor, ActorType } from "@vigie/schemas/types";
import { addressOf } from "@vigie/service-kit/http/address";
import type { Caller } from "@vigie/service-kit/http/jwt";
import type { FastifyRequest } from "fastify";

/** Source: AUD-11. */
const NO_USER_AGENT = "unknown";

/** AUD-03, AUD-04: who calls, from where and with what; for records that stay inside Vigie. */
export function actorOf(caller: Caller, request: FastifyRequest, type: ActorType): Actor {
  return {
    type,
    id: caller.subject,
    impersonator_id: null,
    ip: addressOf(request.ip),
    user_agent: userAgentOf(request.headers["user-agent"]),
  };
}

/** Source: SES-24's text column takes no NUL, and a record no lone surrogate. */
function userAgentOf(header: string | undefined): string {
  const text = (header ?? "").replaceAll("\0", "").slice(0, USER_AGENT_MAX_LENGTH).toWellFormed();
  return text === "" ? NO_USER_AGENT : text;
}
