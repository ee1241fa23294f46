import { strictQuery } from "@vigie/service-kit/http/strict-body";
import type { FastifyInstance } from "fastify";
import type { EdgeContext } from "../context.ts";
import { exportRoute } from "./export.ts";
import { proofRoutes } from "./proofs.ts";
import { searchRoute } from "./search.ts";

/** The audit for who audits (scope id:audit): search, entries, proofs, export. */
export function auditApi(scope: FastifyInstance, context: EdgeContext): void {
  scope.setValidatorCompiler(strictQuery);
  searchRoute(scope, context);
  proofRoutes(scope, context);
  exportRoute(scope, context);
}
