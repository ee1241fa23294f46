import { STATUS_CODES } from "node:http";
import { catalogue, type VigCode } from "@vigie/core/catalogue";
import { describeCode, type ErrorDetails, VigError } from "@vigie/core/errors";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";

/** One thing that is wrong with a request: `path` as in `device.fingerprint.similarity` or `[3].event.kind`. */
export interface Fault {
  readonly path: string;
  readonly why: string;
}

/** Faults that one answer names; the rest are counted only. */
export const FAULTS_MAX = 50;

/** When a client may try again after a 503. Source: about the time a broker takes to elect a leader. */
export const RETRY_AFTER_S = 2;

export const PROBLEM_TYPE = "application/problem+json";

const faultSchema = Type.Object({
  path: Type.String({ description: "where in the body, as in device.fingerprint.similarity" }),
  why: Type.String({ description: "what is wrong there" }),
});

/** Source: RFC 9457, with code, errors and request_id as extension members. */
export const problemSchema = Type.Object(
  {
    type: Type.String({ description: "urn:vigie:problem: and the code" }),
    title: Type.String({ description: "the code in words; the same for every occurrence" }),
    status: Type.Integer(),
    detail: Type.String({ description: "this occurrence in words" }),
    instance: Type.String({ description: "urn:vigie:request: and the request id" }),
    code: Type.String({ description: "stable VIG_ code; explained in docs/errors.md" }),
    request_id: Type.String(),
    errors: Type.Optional(Type.Array(faultSchema)),
  },
  { description: "RFC 9457 problem document" },
);

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: VigCode;
  readonly request_id: string;
  readonly errors?: readonly Fault[];
}

/** VIG_BODY_TOO_LARGE → Body too large. */
export function titleOf(code: VigCode): string {
  const words = code.slice("VIG_".length).toLowerCase().replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function problemOf(
  error: VigError,
  requestId: string,
  faults: readonly Fault[] = [],
): Problem {
  const { status } = error;
  return {
    type: `urn:vigie:problem:${error.code}`,
    title: titleOf(error.code),
    status,
    detail: describeCode(error.code, error.details),
    instance: `urn:vigie:request:${requestId}`,
    code: error.code,
    request_id: requestId,
    ...(faults.length > 0 && { errors: faults.slice(0, FAULTS_MAX) }),
  };
}

/** Answers with a problem document; faults name every wrong place, the first one is in the detail too. */
export function sendProblem(
  reply: FastifyReply,
  code: VigCode,
  details: ErrorDetails = {},
  faults: readonly Fault[] = [],
): FastifyReply {
  const error = new VigError(code, details);
  const problem = problemOf(error, reply.request.id, faults);
  reply.problemCode = code;
  reply.code(problem.status).type(PROBLEM_TYPE);
  for (const [name, value] of Object.entries(retryHeaders(code, details))) {
    reply.header(name, value);
  }
  return reply.serializer(JSON.stringify).send(problem);
}

function retryHeaders(code: VigCode, details: ErrorDetails): Record<string, string> {
  const { status, retry } = catalogue[code];
  if (status === 401) return { "www-authenticate": 'Bearer realm="vigie"' };
  if (!retry || (status !== 503 && status !== 429)) return {};
  return { "retry-after": String(details.retryAfterS ?? RETRY_AFTER_S) };
}

/** What Fastify's own errors mean to a client. */
const fastifyCodes: Readonly<Record<string, (request: FastifyRequest) => VigError>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: (request) => {
    const limitBytes = request.routeOptions.bodyLimit ?? 0;
    return new VigError("VIG_BODY_TOO_LARGE", { limitBytes });
  },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: otherTypeNeeded,
  FST_ERR_CTP_EMPTY_JSON_BODY: () => notJson("is empty"),
  FST_ERR_CTP_INVALID_JSON_BODY: () => notJson("is not JSON"),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () => notJson("is not as long as Content-Length says"),
};

/** What the route takes, by its description; JSON if that says nothing. */
export function otherTypeNeeded({ routeOptions }: FastifyRequest): VigError {
  const types = routeOptions.schema?.consumes ?? ["application/json"];
  return new VigError("VIG_MEDIA_TYPE", { types: types.join(" or ") });
}

const notJson = (why: string): VigError => new VigError("VIG_BODY_INVALID", { path: "body", why });

/** Anything thrown, as the error that a client may see. */
export function publicError(thrown: unknown, request: FastifyRequest): VigError {
  if (thrown instanceof VigError) return thrown.status < 500 || thrown.retry ? thrown : internal();
  const { code, statusCode } = thrown as { code?: unknown; statusCode?: unknown };
  const known = typeof code === "string" ? fastifyCodes[code] : undefined;
  if (known !== undefined) return known(request);
  // Aborted uploads and the like: the request is at fault, its text stays inside.
  if (typeof statusCode === "number" && statusCode >= 400 && statusCode < 500) {
    const why = STATUS_CODES[statusCode]?.toLowerCase() ?? "is not understood";
    return new VigError("VIG_REQUEST_INVALID", { why });
  }
  return internal();
}

const internal = (): VigError => new VigError("VIG_INTERNAL");

/** Where an error came from, without its message: that may quote what a client sent (PRV-12). */
export function framesOf(thrown: unknown): { name: string; code?: string; frames: string[] } {
  if (!(thrown instanceof Error)) return { name: typeof thrown, frames: [] };
  const { code } = thrown as { code?: unknown };
  const frames = (thrown.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  return {
    name: thrown.name,
    ...(typeof code === "string" && { code }),
    frames: frames.slice(0, 8).map((line) => line.trim()),
  };
}
