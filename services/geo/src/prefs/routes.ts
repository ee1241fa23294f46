import { randomUUID } from "node:crypto";
import { VigError } from "@vigie/core/errors";
import type { GeoPrefs } from "@vigie/schemas/types";
import { nothing, ownData } from "@vigie/service-kit/audit-trail/declared";
import { callerOf, person, personAlone, schemasKnown } from "@vigie/service-kit/http/access";
import { strictBody } from "@vigie/service-kit/http/strict-body";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { GeoContext } from "#context";
import type { Held } from "#geo-context/place-book";
import { keyOf, type Person } from "#person";
import { changePrefs, prefsRecord } from "./change-prefs.ts";
import { type CountriesServed, effectivePrefs } from "./prefs.ts";
import { changePrefsRoute, type PrefsBody, readPrefsRoute, unknownValue } from "./schemas.ts";

export const PREFS_URL = "/v1/geo/prefs";
const TOPIC = "id.geo.prefs";

/** GEO-16, GEO-17: what a person chooses of themselves. */
export function prefs(scope: FastifyInstance, context: GeoContext): void {
  scope.setValidatorCompiler(strictBody);
  const { book, clock } = context;
  const countryOf = servedBy(context);
  const encoder = context.codecs.encoder<GeoPrefs>(TOPIC);
  const answer = (held: Held) => ({
    prefs: effectivePrefs(held.prefs, held.context, countryOf),
  });
  scope.get(
    PREFS_URL,
    { schema: readPrefsRoute, config: { audit: ownData }, onRequest: [...person(context)] },
    async (request) => {
      return answer(await book.read(personOf(request)));
    },
  );
  scope.put(
    PREFS_URL,
    {
      schema: changePrefsRoute,
      config: { audit: nothing("a person chooses for themselves; id.geo.prefs tells of it") },
      onRequest: [...personAlone(context), schemasKnown(context)],
    },
    async (request) => {
      const body = request.body as PrefsBody;
      const fault = unknownValue(body);
      if (fault !== null) throw new VigError("VIG_BODY_INVALID", fault);
      const owner = personOf(request);
      const nowMs = clock();
      const changed = await book.change(owner, (held) => {
        const next = changePrefs(held, body, { countryOf, newId: randomUUID, nowMs });
        const value = encoder.encode(prefsRecord(owner, next.prefs, nowMs));
        return { ...next, record: { topic: TOPIC, key: keyOf(owner), value } };
      });
      return answer(changed.held);
    },
  );
}

/** Whose token it is: nobody else's places are ever asked for. */
export function personOf(request: FastifyRequest): Person {
  const { tenantId, subject } = callerOf(request);
  return { tenantId, userId: subject };
}

/** GEO-01: of the countries in force, those that are active. */
export function servedBy({ countries }: Pick<GeoContext, "countries">): CountriesServed {
  return (code) => {
    const country = countries.current.find(code);
    return country?.active ? country : null;
  };
}
