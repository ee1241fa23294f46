import { callerOf } from "@vigie/service-kit/http/access";
import { sendProblem } from "@vigie/service-kit/http/problem";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import type { FastifyInstance, RouteHandlerMethod } from "fastify";
import { contextOf, type Ingest, mayWrite, reportedEvents, waitMsOf } from "../ingest.ts";
import { acceptedSchema } from "../schemas.ts";
import { describedBodyOf } from "../steps/body-schema.ts";
import { type EventType, eventTypeNames, eventTypes } from "../steps/event-types.ts";

/** POST /v1/events/{login,heartbeat,mfa,geo}, and HBT-01's path for a person's heartbeat. */
export function postEventRoutes(app: FastifyInstance, ingest: Ingest): void {
  for (const type of eventTypeNames) route(app, `/v1/events/${type}`, type, ingest);
  route(app, "/api/id/sessions/heartbeat", "heartbeat", ingest);
}

function route(app: FastifyInstance, url: string, type: EventType, ingest: Ingest): void {
  const { topic, fromUsers } = eventTypes[type];
  app.route({
    method: "POST",
    url,
    schema: {
      tags: ["events"],
      summary: `Takes one ${type} event`,
      description: `Answers 202 once the broker has acknowledged it on ${topic}.`,
      security: [{ bearer: [] }],
      body: describedBodyOf(topic),
      response: { 202: acceptedSchema, ...problemResponses },
    },
    // Bodies are judged in one place for single events and batches; the schema here describes.
    validatorCompiler: () => () => true,
    // What services alone report, no page in a browser has a token for: nothing is said of origins.
    config: { audit: reportedEvents, ...(!fromUsers && { cors: false as const }) },
    onRequest: [...mayWrite(ingest)],
    handler: takeEvent(type, ingest),
  });
}

function takeEvent(type: EventType, ingest: Ingest): RouteHandlerMethod {
  const { output, admit, clock } = ingest;
  return async (request, reply) => {
    const admission = admit(type, request.body, contextOf(request, clock));
    if (admission.kind === "refused") {
      return sendProblem(reply, admission.code, admission.details, admission.faults);
    }
    const waitMs = waitMsOf(type, admission, callerOf(request), ingest);
    if (waitMs > 0) {
      return sendProblem(reply, "VIG_RATE_LIMITED", { retryAfterS: Math.ceil(waitMs / 1_000) });
    }
    const { topic, partition, offset } = await output.publish(admission.event);
    reply.code(202);
    return { event_id: admission.eventId, topic, partition, offset };
  };
}
