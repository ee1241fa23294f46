import { VigError } from "@vigie/core/errors";
import { actorRefOf } from "@vigie/service-kit/audit-trail/actor";
import { beforeAnswer, nothing } from "@vigie/service-kit/audit-trail/declared";
import { recordedChange } from "@vigie/service-kit/audit-trail/recorded-change";
import { callerOf, schemasKnown, scoped } from "@vigie/service-kit/http/access";
import { seenVersionOf, versionTag } from "@vigie/service-kit/http/if-match";
import { sendProblem } from "@vigie/service-kit/http/problem";
import { problemResponses, problems } from "@vigie/service-kit/http/problem-responses";
import { strictBody } from "@vigie/service-kit/http/strict-body";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type Static, Type } from "typebox";
import type { GeoContext } from "../context.ts";
import type { StoredCountry } from "./country.ts";
import type { ChangeOutcome } from "./country-store.ts";
import { faultsOf } from "./faults.ts";
import { codeParams, countryBody, storedCountry } from "./schemas.ts";

const URL = "/v1/geo/admin/countries/:code";
const SCOPE = "platform:admin";

type CodeParams = Static<typeof codeParams>;

const common = { tags: ["administration"], security: [{ bearer: [] }], params: codeParams };
const readRoute = {
  ...common,
  summary: "A country as it is stored",
  response: { 200: storedCountry, ...problemResponses, ...problems(404) },
};
const changeRoute = {
  ...common,
  summary: "Puts a country into the matrix, or replaces it there",
  description:
    'Needs If-Match with the ETag of what was read; "0" for a country that is not there yet. In force in every instance within a second.',
  headers: Type.Object({
    "if-match": Type.Optional(Type.String({ description: "ETag of the last read" })),
  }),
  body: countryBody,
  response: { 200: storedCountry, ...problemResponses, ...problems(412, 422, 428) },
};

/** The matrix is the platform's: of all tenants at once. */
export function countryAdministration(scope: FastifyInstance, context: GeoContext): void {
  scope.setValidatorCompiler(strictBody);
  const { countryStore } = context;
  const onRequest = [...scoped(SCOPE, context)];
  scope.get<{ Params: CodeParams }>(
    URL,
    { schema: readRoute, config: { audit: nothing("no person's data") }, onRequest },
    async (request, reply) => {
      const stored = await countryStore.read(codeOf(request.params));
      if (stored === null) throw new VigError("VIG_NOT_FOUND", { what: "country" });
      return answer(reply, stored);
    },
  );
  scope.put<{ Params: CodeParams; Body: Static<typeof countryBody> }>(
    URL,
    {
      schema: changeRoute,
      config: { audit: beforeAnswer("country.updated", "country.update_undone") },
      onRequest: [schemasKnown(context), ...onRequest],
    },
    async (request, reply) => {
      const country = { code: codeOf(request.params), ...request.body };
      const faults = faultsOf(country);
      const [first] = faults;
      if (first !== undefined) {
        const details = { count: faults.length, ...first };
        return sendProblem(reply, "VIG_COUNTRY_INVALID", details, faults);
      }
      const seenVersion = seenVersionOf(request);
      const next: StoredCountry = {
        country,
        version: seenVersion + 1,
        updatedAtMs: context.clock(),
        updatedBy: actorRefOf(callerOf(request), request, "ADMIN").id,
      };
      const outcome = await change(request, context, { seenVersion, next });
      if (outcome.kind === "stale") {
        throw new VigError("VIG_VERSION_STALE", { version: outcome.version });
      }
      return answer(reply, next);
    },
  );
}

const codeOf = ({ code }: CodeParams): string => code.toUpperCase();

const change = (
  request: FastifyRequest,
  { audit, countryStore }: GeoContext,
  { seenVersion, next }: { readonly seenVersion: number; readonly next: StoredCountry },
): Promise<ChangeOutcome> =>
  recordedChange<StoredCountry | null, ChangeOutcome>(
    audit,
    {
      entry: { caller: callerOf(request), request, subjectUserId: null },
      changed: "country.updated",
      undone: "country.update_undone",
      what: { country: next.country.code, version: next.version },
      detailsOf: (before) => ({ before: before?.country ?? {}, after: next.country }),
    },
    (beforeCommit) => countryStore.change({ seenVersion, next }, beforeCommit),
  );

function answer(reply: FastifyReply, { country, version, updatedAtMs, updatedBy }: StoredCountry) {
  reply.header("etag", versionTag(version));
  return { version, updatedAt: new Date(updatedAtMs).toISOString(), updatedBy, country };
}
