import { VigError } from "@vigie/core/errors";
import { withDeed } from "@vigie/service-kit/audit-trail/declared";
import { schemasKnown } from "@vigie/service-kit/http/access";
import { problems } from "@vigie/service-kit/http/problem-responses";
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from "fastify";
import { Type } from "typebox";
import { lockPlaces } from "#geo-context/postgres-book";
import { noPlace } from "#geo-events/geo-events";
import { recordGeoEvent } from "#geo-events/record";
import { limitKeyOf } from "../../address-limit.ts";
import type { GeoContext } from "../../context.ts";
import type { ProviderName, UssdCallback } from "../callback.ts";
import { createLinkBook, type Link, type LinkBook } from "../links/link-book.ts";
import type { Facts, Language, Screen } from "../machine/types.ts";
import { createPinBook } from "../pins/pin-book.ts";
import { createResetCodes } from "../pins/reset-codes.ts";
import type { Provider, ProviderAnswer } from "../providers/provider.ts";
import { openConversation, type StepId } from "../sessions/converse.ts";
import { createUssdEvents, eventIdOf } from "../tell/ussd-events.ts";
import { createUssdMeter } from "../tell/ussd-meter.ts";
import { linkName, type PerformerParts, performersOf } from "./performers.ts";
import { callbackTypes, rawOf, takeRawBodies } from "./raw-body.ts";
import { notServed, type Route, routeOf } from "./routing.ts";

const ROOT = "/v1/ussd/webhook";

/** Where each provider calls. */
const doors: Readonly<Record<ProviderName, { path: string; methods: HTTPMethods[] }>> = {
  vigie: { path: ROOT, methods: ["POST"] },
  twilio: { path: `${ROOT}/twilio`, methods: ["POST"] },
  africastalking: { path: `${ROOT}/africastalking/:secret`, methods: ["POST"] },
  infobip: {
    path: `${ROOT}/infobip/:secret/session/:session/:method`,
    methods: ["POST", "PUT"],
  },
};

/** USS-03: callbacks of USSD providers, each answered with the next screen. */
export function ussdWebhook(scope: FastifyInstance, context: GeoContext): void {
  const hear = createHearing(context);
  takeRawBodies(scope);
  for (const provider of context.ussd.providers) {
    const { path, methods } = doors[provider.name];
    scope.route({
      method: methods,
      url: path,
      // Called by gateways, never by a page in a browser.
      config: { cors: false, audit: withDeed("ussd.pin_set") },
      schema: {
        tags: ["ussd"],
        summary: `A callback of USSD provider ${provider.name}`,
        description: "No token: the provider signs, or is known by its address and the path.",
        consumes: callbackTypes,
        response: { 200: Type.String(), ...problems(400, 403, 413, 415, 429, 500, 503) },
      },
      onRequest: [schemasKnown(context)],
      handler: async (request, reply) => {
        const { contentType, body } = await hear(provider, request);
        return answered(reply, contentType, body);
      },
    });
  }
}

/** As it is: a provider's format is none of ours. */
const answered = (reply: FastifyReply, contentType: string, body: string): FastifyReply =>
  reply.type(contentType).serializer(String).send(body);

type Hear = (provider: Provider, request: FastifyRequest) => Promise<ProviderAnswer>;

function createHearing(context: GeoContext): Hear {
  const { database, keys, clock, metrics, auth, addressRate, ussd } = context;
  const meter = createUssdMeter(metrics);
  const links = createLinkBook(keys, clock);
  const performers: PerformerParts = {
    ...context,
    links,
    pins: createPinBook(database, keys, clock),
    codes: createResetCodes(keys, clock),
    events: createUssdEvents(context),
    simHoldMs: ussd.simHoldMs,
    pinChecked: meter.pinChecked,
  };
  const conversation = openConversation({ store: ussd.dialogues, keys, clock });

  /** Only those that nobody vouches for are limited: a provider has all its phones behind a few addresses. */
  function refuse(request: FastifyRequest): never {
    const waitMs = auth.limiter.take(limitKeyOf(request.ip, keys), 1, addressRate);
    if (waitMs === 0) throw new VigError("VIG_USSD_REFUSED");
    throw new VigError("VIG_RATE_LIMITED", { retryAfterS: Math.ceil(waitMs / 1_000) });
  }

  async function turn(
    provider: Provider,
    request: FastifyRequest,
    callback: UssdCallback,
  ): Promise<Screen> {
    const countries = context.countries.current;
    const route = await routeOf(callback, provider, { database, countries });
    if (route === null) {
      meter.count(provider.name, "unrouted");
      return notServed;
    }
    const { tenantId, dialled } = route;
    const { phone } = callback;
    const link = await database.inTenant(tenantId, (tx) => links.find(tx, tenantId, phone));
    const { kind, screen } = await conversation.hear({
      tenantId,
      callback,
      dialled,
      facts: async () => factsOf(link, route, context),
      performerAt: performersOf(performers, { request, phone }),
      tell: (at, shown) => tellOf(context, links, link, { at, shown, callback }),
    });
    meter.count(provider.name, kind);
    if (kind === "opened") meter.opened(provider.name, route.country);
    return screen;
  }

  return async (provider, request) => {
    const raw = rawOf(request);
    if (!provider.vouchesFor(raw)) {
      meter.count(provider.name, "refused");
      refuse(request);
    }
    const read = provider.read(raw);
    try {
      if (read.kind === "turn") {
        const screen = await turn(provider, request, read.callback);
        return provider.answer(screen, read.callback);
      }
      await conversation.end(read.session, performersOf(performers, { request, phone: null }));
      meter.count(provider.name, "ended");
      return provider.acknowledge();
    } catch (error) {
      meter.count(provider.name, "failed");
      throw error;
    }
  };
}

/** A phone of nobody hears the language of its country. */
function factsOf(link: Link | null, route: Route, { countries }: GeoContext): Facts {
  const locale = countries.current.find(route.country)?.locale ?? "fr";
  const spoken: Language = locale.startsWith("fr") ? "fr" : "en";
  return {
    language: link?.language ?? spoken,
    link: link === null ? null : linkName(link),
    hasPin: link?.hasPin ?? false,
    supportPhone: route.supportPhone,
  };
}

/** GEO-25: each step on the record of the person whose phone it is; a phone of nobody has none. */
async function tellOf(
  { database, clock }: GeoContext,
  links: LinkBook,
  link: Link | null,
  { at, shown, callback }: { at: StepId; shown: Screen; callback: UssdCallback },
): Promise<void> {
  if (link === null) return;
  const { id, person, country } = link;
  await database.inTenant(person.tenantId, async (tx) => {
    // An erasure meanwhile took the link: nothing is told of the person after it.
    await lockPlaces(tx, person);
    if ((await links.byId(tx, person.tenantId, id)) === null) return;
    await recordGeoEvent(tx, person, {
      id: eventIdOf(person, at, "ussd_routed"),
      type: "ussd_routed",
      occurredAtMs: clock(),
      ...noPlace,
      country,
      details: { provider: callback.provider, screen: shown.name },
    });
  });
}
