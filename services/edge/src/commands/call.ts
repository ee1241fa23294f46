import { randomUUID } from "node:crypto";
import { canonicalJson } from "@vigie/core/canonical-json";
import { VigError } from "@vigie/core/errors";
import type { Caller } from "@vigie/service-kit/http/jwt";
import { nameUuid } from "@vigie/service-kit/ids";
import type { FastifyRequest } from "fastify";

/** Source: IETF draft-ietf-httpapi-idempotency-key-header, which leaves the length to the server. */
const KEY = /^[\x21-\x7e]{1,255}$/;

/**
 * The id of a call: the same for the same key of the same caller with the same content, so that a repetition is
 * known wherever it arrives; without a key, one of its own. The key with another content is another call: a
 * revocation is never swallowed.
 * Throws: VIG_REQUEST_INVALID for a key that is none.
 */
export function callIdOf(request: FastifyRequest, caller: Caller, content: object): string {
  const key = request.headers["idempotency-key"];
  if (key === undefined) return randomUUID();
  if (typeof key !== "string" || !KEY.test(key)) {
    const why = "Idempotency-Key is not 1..255 visible ASCII characters";
    throw new VigError("VIG_REQUEST_INVALID", { why });
  }
  return nameUuid(caller.tenantId, "command", canonicalJson({ by: caller.subject, key, content }));
}

/** Whether its caller may send it again as the same. */
export const isRepeatable = (request: FastifyRequest): boolean =>
  request.headers["idempotency-key"] !== undefined;
