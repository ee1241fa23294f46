import { VigError } from "@vigie/core/errors";
import { addressOf } from "@vigie/service-kit/http/address";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { RawCallback } from "../providers/provider.ts";

const JSON_TYPE = "application/json";
const FORM_TYPE = "application/x-www-form-urlencoded";
export const callbackTypes = [JSON_TYPE, FORM_TYPE];

/** Makes the routes of `scope` take the bytes of JSON and forms as they are: signatures are over bytes. */
export function takeRawBodies(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser(callbackTypes, { parseAs: "buffer" }, (_request, body, done) =>
    done(null, body),
  );
}

interface Parts {
  readonly secret?: string;
  readonly session?: string;
  readonly method?: string;
}

/** Throws: VIG_BODY_INVALID for a query that names a parameter twice. */
export function rawOf(request: FastifyRequest): RawCallback {
  const { secret, session, method } = request.params as Parts;
  const { headers, body, query, url: path } = request;
  const type = headers["content-type"] ?? "";
  return {
    headers,
    mediaType: type.toLowerCase().startsWith(FORM_TYPE) ? "form" : "json",
    body: Buffer.isBuffer(body) ? body : Buffer.alloc(0),
    path,
    query: onceEach(query as Readonly<Record<string, unknown>>),
    address: addressOf(request.ip),
    secret: secret ?? null,
    session: session === undefined || method === undefined ? null : { id: session, method },
  };
}

function onceEach(query: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const twice = Object.entries(query).find(([, value]) => typeof value !== "string");
  if (twice === undefined) return query as Readonly<Record<string, string>>;
  const path = twice[0].slice(0, 64);
  throw new VigError("VIG_BODY_INVALID", { path, why: "is given more than once" });
}
