import { strictQuery } from "@vigie/service-kit/http/strict-body";
import type { FastifyInstance } from "fastify";
import type { EdgeContext } from "../context.ts";
import { adminRoutes } from "./admin-routes.ts";
import { ownRoutes } from "./own-routes.ts";
import { readingOf } from "./reading.ts";

/** The sessions, devices, activities and anomalies of the caller, or of anybody for administrators. */
export function inventory(scope: FastifyInstance, context: EdgeContext): void {
  scope.setValidatorCompiler(strictQuery);
  const reading = readingOf(context);
  ownRoutes(scope, reading);
  adminRoutes(scope, reading);
}
