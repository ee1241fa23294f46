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

export function rawOf(request: FastifyRequest): RawCallback {
  const { secret, session, method } = request.params as Parts;
  const { headers, body, url: path } = request;
  const type = headers["content-type"] ?? "";
  return {
    headers,
    mediaType: type.toLowerCase().startsWith(FORM_TYPE) ? "form" : "json",
    body: Buffer.isBuffer(body) ? body : Buffer.alloc(0),
    path,
    address: addressOf(request.ip),
    secret: secret ?? null,
    session: session === undefined || method === undefined ? null : { id: session, method },
  };
}
