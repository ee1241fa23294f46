import { createHash } from "node:crypto";
import { VigError } from "@vigie/core/errors";
import { nothing } from "@vigie/service-kit/audit-trail/declared";
import { problemResponses, problems } from "@vigie/service-kit/http/problem-responses";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { limitedByAddress } from "#address-limit";
import type { GeoContext } from "../context.ts";
import type { Countries } from "./countries.ts";
import type { Country } from "./country.ts";
import { detailedCountry, listedCountry } from "./schemas.ts";

const URL = "/v1/geo/countries";
const common = { tags: ["countries"] };

/** GEO-11, GEO-12: the countries, for everybody. */
export function countries(scope: FastifyInstance, context: GeoContext): void {
  const config = { audit: nothing("what everybody may know") };
  const onRequest = [limitedByAddress(context)];
  const listRoute = {
    ...common,
    summary: "The countries that are served",
    response: { 200: Type.Object({ countries: Type.Array(listedCountry) }), ...problemResponses },
  };
  scope.get(URL, { schema: listRoute, config, onRequest }, (request, reply) =>
    answer(request, reply, documentsOf(context.countries.current).list),
  );
  const oneRoute = {
    ...common,
    summary: "One country; `active` says whether it is served",
    params: Type.Object({ code: Type.String({ description: "ISO 3166-1 alpha-2" }) }),
    response: { 200: detailedCountry, ...problemResponses, ...problems(404) },
  };
  scope.get<{ Params: { readonly code: string } }>(
    `${URL}/:code`,
    { schema: oneRoute, config, onRequest },
    (request, reply) => {
      const code = request.params.code.toUpperCase();
      const document = documentsOf(context.countries.current).byCode.get(code);
      if (document === undefined) throw new VigError("VIG_NOT_FOUND", { what: "country" });
      return answer(request, reply, document);
    },
  );
}

/** An answer as it goes out. */
interface Document {
  readonly text: string;
  readonly etag: string;
}

/** The list, and each country by its code. */
interface Documents {
  readonly list: Document;
  readonly byCode: ReadonlyMap<string, Document>;
}

const known = new WeakMap<Countries, Documents>();

/** Made once for each matrix. */
function documentsOf(countries: Countries): Documents {
  let documents = known.get(countries);
  if (documents === undefined) {
    documents = {
      list: documentOf({ countries: countries.active.map(listedOf) }),
      byCode: new Map(countries.all.map((one) => [one.code, documentOf(detailedOf(one))])),
    };
    known.set(countries, documents);
  }
  return documents;
}

function documentOf(value: object): Document {
  const text = JSON.stringify(value);
  return { text, etag: `"${createHash("sha256").update(text).digest("base64url")}"` };
}

/** Whoever has it asks again each time, and is told in a few bytes that it is still so. */
function answer(request: FastifyRequest, reply: FastifyReply, { text, etag }: Document): unknown {
  reply.header("etag", etag).header("cache-control", "public, no-cache");
  if (request.headers["if-none-match"] === etag) return reply.code(304).send();
  return reply.type("application/json; charset=utf-8").send(text);
}

/** GEO-11. */
export const listedOf = (country: Country) => ({
  code: country.code,
  name: country.name,
  currency: country.currency,
  currencySymbol: country.currencySymbol,
  timezone: country.timezone,
  phonePrefix: country.phonePrefix,
  phoneExample: country.phoneExample,
  locale: country.locale,
  supportsUssd: country.supportsUssd,
  supportsMobileMoney: country.supportsMobileMoney,
});

/** All but the gateway, which is nobody's business. */
const detailedOf = (country: Country) => ({
  ...listedOf(country),
  active: country.active,
  phonePattern: country.phonePattern,
  timezones: country.timezones,
  locales: country.locales,
  ussdPrefix: country.ussdPrefix,
  carriers: country.carriers,
  mcc: country.mcc,
  capital: country.capital,
});
