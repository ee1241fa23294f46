import { VigError } from "@vigie/core/errors";
import type { FastifyRequest } from "fastify";

/** Of no document; a store answers with the one in force. */
const NO_VERSION = Number.MAX_SAFE_INTEGER - 1;

/** A document's ETag. */
export const versionTag = (version: number): string => `"${version}"`;

/**
 * The version that the caller has seen. Throws: VIG_IF_MATCH_MISSING.
 * Source: RFC 9110, 13.1.1: a weak or foreign tag matches nothing, and so does "*": it would overwrite unseen.
 */
export function seenVersionOf(request: FastifyRequest): number {
  const header = request.headers["if-match"];
  if (header === undefined) throw new VigError("VIG_IF_MATCH_MISSING");
  const [, digits] = /^"(\d{1,15})"$/.exec(header.trim()) ?? [];
  return digits === undefined ? NO_VERSION : Number(digits);
}
