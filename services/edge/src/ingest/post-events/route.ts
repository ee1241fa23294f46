import { catalogue, type VigCode } from "@vigie/core/catalogue";
import { describeCode, type ErrorDetails, VigError } from "@vigie/core/errors";
import { callerOf } from "@vigie/service-kit/http/access";
import { takeRate } from "@vigie/service-kit/http/auth";
import { FAULTS_MAX, type Fault, sendProblem } from "@vigie/service-kit/http/problem";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { contextOf, type Ingest, mayWrite, reportedEvents, waitMsOf } from "../ingest.ts";
import { batchSchema } from "../schemas.ts";
import type { Admission, AdmitContext } from "../steps/admit-event.ts";
import { describedBodyOf } from "../steps/body-schema.ts";
import { eventTypeNames, eventTypes, isEventType } from "../steps/event-types.ts";

/** Source: DESIGN and the contract of the route. */
export const BATCH_ITEMS_MAX = 1_000;

/** One item's answer. */
interface ItemResult {
  readonly status: number;
  readonly event_id?: string;
  readonly topic?: string;
  readonly partition?: number;
  readonly offset?: number;
  readonly code?: VigCode;
  readonly detail?: string;
  readonly errors?: readonly Fault[];
}

/** POST /v1/events: up to 1,000 items, each judged alone; the good ones are published. */
export function postEventsRoute(app: FastifyInstance, ingest: Ingest): void {
  app.route({
    method: "POST",
    url: "/v1/events",
    schema: {
      tags: ["events"],
      summary: `Takes up to ${BATCH_ITEMS_MAX} events`,
      description:
        "Answers 202 when all items were acknowledged by the broker, else 207 with a status for each. " +
        "An item that got 503 may be sent again with the same event_id.",
      security: [{ bearer: [] }],
      body: batchBody(),
      response: { 202: batchSchema, 207: batchSchema, ...problemResponses },
    },
    validatorCompiler: () => () => true,
    bodyLimit: ingest.batchBodyMaxBytes,
    config: { audit: reportedEvents },
    onRequest: [...mayWrite(ingest)],
    handler: (request, reply) => takeBatch(request, reply, ingest),
  });
}

function batchBody(): object {
  const items = {
    type: "array",
    minItems: 1,
    maxItems: BATCH_ITEMS_MAX,
    items: {
      anyOf: eventTypeNames.map((type) => ({
        type: "object",
        required: ["type", "event"],
        properties: { type: { const: type }, event: describedBodyOf(eventTypes[type].topic) },
      })),
    },
  };
  const wrapped = { type: "object", required: ["items"], properties: { items } };
  return { anyOf: [wrapped, items], description: "the list of items, bare or under `items`" };
}

async function takeBatch(
  request: FastifyRequest,
  reply: FastifyReply,
  ingest: Ingest,
): Promise<unknown> {
  const items = itemsOf(request.body);
  if (items === null || items.length === 0) {
    const fault = { path: "body", why: "is no list of {type, event} items" };
    return sendProblem(reply, "VIG_BODY_INVALID", fault, [fault]);
  }
  if (items.length > BATCH_ITEMS_MAX) {
    const details = { limit: BATCH_ITEMS_MAX, count: items.length };
    return sendProblem(reply, "VIG_BATCH_TOO_LARGE", details);
  }
  // The hook has taken one for the request.
  const rest = items.length - 1;
  if (rest > 0 && !takeRate(reply, callerOf(request), rest, ingest.auth)) return reply;
  const context = contextOf(request, ingest.clock);
  const results = await Promise.all(items.map((item) => takeItem(item, context, ingest)));
  const refused = results.find(({ status }) => status === 403);
  if (refused !== undefined) {
    const payload = { fault: refused.code };
    ingest.audit.denied({ caller: callerOf(request), request, payload });
  }
  return answer(reply, results);
}

/** The items of a body: a bare list, or one under `items`. */
function itemsOf(body: unknown): readonly unknown[] | null {
  if (Array.isArray(body)) return body;
  const items = (body as { readonly items?: unknown } | null | undefined)?.items;
  return Array.isArray(items) ? items : null;
}

async function takeItem(item: unknown, context: AdmitContext, ingest: Ingest): Promise<ItemResult> {
  const admission = admitItem(item, context, ingest);
  if (admission.kind === "refused") {
    return refusedItem(admission.code, admission.details, admission.faults);
  }
  try {
    const { topic, partition, offset } = await ingest.output.publish(admission.event);
    return { status: 202, event_id: admission.eventId, topic, partition, offset };
  } catch (error) {
    // Anything else is a bug of ours and ends the request with 500.
    if (!(error instanceof VigError) || !error.retry) throw error;
    return { ...refusedItem(error.code, error.details, []), event_id: admission.eventId };
  }
}

function admitItem(item: unknown, context: AdmitContext, ingest: Ingest): Admission {
  const { type, event } = (item ?? {}) as { readonly type?: unknown; readonly event?: unknown };
  if (!isEventType(type)) {
    const fault = { path: "type", why: `is none of ${eventTypeNames.join(", ")}` };
    return { kind: "refused", code: "VIG_BODY_INVALID", details: fault, faults: [fault] };
  }
  const admission = ingest.admit(type, event, context);
  if (admission.kind === "refused") return admission;
  const waitMs = waitMsOf(type, admission, context.caller, ingest);
  if (waitMs === 0) return admission;
  const details = { retryAfterS: Math.ceil(waitMs / 1_000) };
  return { kind: "refused", code: "VIG_RATE_LIMITED", details, faults: [] };
}

function refusedItem(code: VigCode, details: ErrorDetails, faults: readonly Fault[]): ItemResult {
  const { status } = catalogue[code];
  const detail = describeCode(code, details);
  if (faults.length === 0) return { status, code, detail };
  return { status, code, detail, errors: faults.slice(0, FAULTS_MAX) };
}

function answer(reply: FastifyReply, items: readonly ItemResult[]): unknown {
  const accepted = items.filter((item) => item.status === 202).length;
  const [first] = items;
  // When nothing got through for one reason that will pass, the whole request may simply be sent again.
  const allAway = items.every((item) => item.status === 503 && item.code === first?.code);
  if (allAway && first?.code !== undefined) {
    return sendProblem(reply, first.code, { why: "nothing was published" });
  }
  reply.code(accepted === items.length ? 202 : 207);
  return { accepted, refused: items.length - accepted, items };
}
