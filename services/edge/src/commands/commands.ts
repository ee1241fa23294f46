import type { FastifyInstance } from "fastify";
import type { EdgeContext } from "../context.ts";
import { ackRoutes } from "./acks.ts";
import { adminRevokeRoutes } from "./admin-revoke.ts";
import { cleanUpRoute } from "./clean-up.ts";
import { commandStateRoute } from "./command-state.ts";
import { type Commander, createCommander } from "./commander.ts";
import { ownSessionRoutes } from "./own-sessions.ts";

/** What the routes of commands share. */
export interface Commands extends EdgeContext {
  readonly commander: Commander;
}

/** Revocations: a person's own, an administrator's, and what enforcement points say of them. */
export function commands(scope: FastifyInstance, context: EdgeContext): void {
  const shared = { ...context, commander: createCommander(context) };
  ownSessionRoutes(scope, shared);
  cleanUpRoute(scope, shared);
  commandStateRoute(scope, shared);
  adminRevokeRoutes(scope, shared);
  ackRoutes(scope, shared);
}
