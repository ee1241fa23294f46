import { VigError } from "@vigie/core/errors";
import { beforeAnswer, ownData } from "@vigie/service-kit/audit-trail/declared";
import { admin, callerOf, person, schemasKnown, scoped } from "@vigie/service-kit/http/access";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import { strictBody } from "@vigie/service-kit/http/strict-body";
import type { FastifyInstance } from "fastify";
import { countriesOfPhone } from "#detect/phone";
import type { GeoContext } from "../../context.ts";
import { onRecord } from "../on-record.ts";
import { createUssdEvents, FROM_OUTSIDE, type UssdEvents } from "../tell/ussd-events.ts";
import { type Before, createLinkBook, type Link, type LinkBook } from "./link-book.ts";
import {
  foundSchema,
  type LinkBody,
  linkBody,
  linkedSchema,
  linksSchema,
  type PhoneBody,
  phoneBody,
  type SimChangeBody,
  simChangeBody,
  userParams,
} from "./schemas.ts";

const PATH = "/v1/ussd/admin/links";
const head = { tags: ["ussd administration"], security: [{ bearer: [] }] };

/** Whose phone is whose: told by administrators, and changes of SIM by the service that hears of them. */
export function ussdLinks(scope: FastifyInstance, context: GeoContext): void {
  const links = createLinkBook(context.keys, context.clock);
  const events = createUssdEvents(context);
  putRoute(scope, context, links, events);
  removeRoute(scope, context, links, events);
  readRoute(scope, context, links);
  ownRoute(scope, context, links);
  simChangeRoute(scope, context, links);
}

/** The country of the matrix that a number is of. Throws: VIG_BODY_INVALID. */
function countryOf(phone: string, { countries }: GeoContext): string {
  const country = countriesOfPhone(phone).find((code) => countries.current.find(code));
  if (country !== undefined) return country;
  throw new VigError("VIG_BODY_INVALID", { path: "phone", why: "is of no country of the matrix" });
}

/** Whoever is signed in by a phone that is taken away is signed out, before it holds. Throws: VIG_BROKER_AWAY. */
async function signOut(events: UssdEvents, before: Before | null): Promise<void> {
  if (before === null || before.dialogue === null) return;
  const at = { dialogue: before.dialogue, position: FROM_OUTSIDE };
  await events.login(before.person, at, { kind: "LOGOUT" });
}

function putRoute(
  scope: FastifyInstance,
  context: GeoContext,
  links: LinkBook,
  events: UssdEvents,
): void {
  scope.put<{ Body: LinkBody }>(
    PATH,
    {
      schema: {
        ...head,
        summary: "Links a phone to a user; it is no other user's then",
        body: linkBody,
        response: { 200: linkedSchema, ...problemResponses },
      },
      validatorCompiler: strictBody,
      config: { audit: beforeAnswer("ussd.link_put") },
      onRequest: [schemasKnown(context), ...admin(context)],
    },
    (request) => {
      const { phone, user_id: userId, language = null } = request.body;
      const country = countryOf(phone, context);
      return onRecord(context, request, "ussd.link_put", async (tx, tenantId) => {
        const link = { person: { tenantId, userId }, phone, country, language };
        const before = await links.put(tx, link);
        await signOut(events, before);
        const taken_over = before !== null && before.person.userId !== userId;
        return {
          subjectUserId: userId,
          payload: { country, taken_over },
          answer: { status: "linked", country, taken_over },
        };
      });
    },
  );
}

function removeRoute(
  scope: FastifyInstance,
  context: GeoContext,
  links: LinkBook,
  events: UssdEvents,
): void {
  // The number stays out of the path: proxies write those down.
  scope.post<{ Body: PhoneBody }>(
    `${PATH}/remove`,
    {
      schema: {
        ...head,
        summary: "Takes a phone from its user",
        body: phoneBody,
        response: { 200: foundSchema, ...problemResponses },
      },
      validatorCompiler: strictBody,
      config: { audit: beforeAnswer("ussd.link_removed") },
      onRequest: [schemasKnown(context), ...admin(context)],
    },
    (request) =>
      onRecord(context, request, "ussd.link_removed", async (tx, tenantId) => {
        const before = await links.remove(tx, tenantId, request.body.phone);
        await signOut(events, before);
        const found = before !== null;
        return {
          subjectUserId: before?.person.userId ?? null,
          payload: { found },
          answer: { status: "done", found },
        };
      }),
  );
}

function readRoute(scope: FastifyInstance, context: GeoContext, links: LinkBook): void {
  scope.get<{ Params: { readonly user: string } }>(
    "/v1/ussd/admin/users/:user/links",
    {
      schema: {
        ...head,
        summary: "Which phones a user has",
        params: userParams,
        response: { 200: linksSchema, ...problemResponses },
      },
      config: { audit: beforeAnswer("ussd.links_read") },
      onRequest: [schemasKnown(context), ...admin(context)],
    },
    (request) =>
      onRecord(context, request, "ussd.links_read", async (tx, tenantId) => {
        const userId = request.params.user;
        const phones = await links.ofPerson(tx, { tenantId, userId });
        return {
          subjectUserId: userId,
          payload: {},
          answer: { user_id: userId, phones: phones.map(phoneAnswer) },
        };
      }),
  );
}

function ownRoute(scope: FastifyInstance, context: GeoContext, links: LinkBook): void {
  scope.get(
    "/v1/ussd/links",
    {
      schema: {
        tags: ["ussd"],
        security: [{ bearer: [] }],
        summary: "Which phones are linked to the caller",
        response: { 200: linksSchema, ...problemResponses },
      },
      config: { audit: ownData },
      onRequest: [...person(context)],
    },
    async (request) => {
      const { tenantId, subject: userId } = callerOf(request);
      const found = await context.database.inTenant(tenantId, (tx) =>
        links.ofPerson(tx, { tenantId, userId }),
      );
      return { user_id: userId, phones: found.map(phoneAnswer) };
    },
  );
}

function simChangeRoute(scope: FastifyInstance, context: GeoContext, links: LinkBook): void {
  scope.post<{ Body: SimChangeBody }>(
    "/v1/ussd/sim-changes",
    {
      schema: {
        ...head,
        summary: "Tells that a phone has another SIM: no PIN is set by phone for a while",
        body: simChangeBody,
        response: { 200: foundSchema, ...problemResponses },
      },
      validatorCompiler: strictBody,
      config: { audit: beforeAnswer("ussd.sim_changed") },
      onRequest: [schemasKnown(context), ...scoped("events:write", context)],
    },
    (request) => {
      // Whoever could tell of another's phone could hold back their resets for ever.
      if (callerOf(request).kind !== "service") {
        throw new VigError("VIG_SERVICE_ONLY", { type: "change of SIM" });
      }
      const { phone, changed_at: changedAt } = request.body;
      const nowMs = context.clock();
      // What lies ahead would hold for longer than anybody decided.
      const atMs = Math.min(nowMs, changedAt === undefined ? nowMs : instantOf(changedAt));
      return onRecord(context, request, "ussd.sim_changed", async (tx, tenantId) => {
        const whose = await links.noteSimChange(tx, tenantId, phone, atMs);
        const found = whose !== null;
        return {
          subjectUserId: whose?.userId ?? null,
          payload: { found, changed_at: new Date(atMs).toISOString() },
          answer: { status: "done", found },
        };
      });
    },
  );
}

function instantOf(text: string): number {
  const ms = Date.parse(text);
  if (!Number.isNaN(ms)) return ms;
  throw new VigError("VIG_BODY_INVALID", { path: "changed_at", why: "is no time" });
}

const iso = (ms: number): string => new Date(ms).toISOString();

const phoneAnswer = ({ country, language, linkedAtMs, simChangedAtMs, hasPin }: Link) => ({
  country,
  language,
  linked_at: iso(linkedAtMs),
  sim_changed_at: simChangedAtMs === null ? null : iso(simChangedAtMs),
  has_pin: hasPin,
});
