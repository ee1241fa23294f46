import { VigError } from "@vigie/core/errors";
import { beforeAnswer, nothing } from "@vigie/service-kit/audit-trail/declared";
import { admin, callerOf, schemasKnown, scoped } from "@vigie/service-kit/http/access";
import { problemResponses, problems } from "@vigie/service-kit/http/problem-responses";
import { strictBody } from "@vigie/service-kit/http/strict-body";
import type { FastifyInstance } from "fastify";
import type { GeoContext } from "../../context.ts";
import { onRecord } from "../on-record.ts";
import {
  type CodeBody,
  type CodeKeyBody,
  codeBody,
  codeKeyBody,
  codeSchema,
  codesSchema,
  foundSchema,
} from "./schemas.ts";
import {
  putServiceCode,
  removeServiceCode,
  type ServiceCode,
  serviceCodesOf,
} from "./service-codes.ts";

const PATH = "/v1/ussd/admin/service-codes";
const head = { tags: ["ussd administration"], security: [{ bearer: [] }] };

/**
 * USS-09: which tenant has which code in which country. Whoever gets a code gets the PINs that are typed there, so
 * tenants only read theirs.
 */
export function ussdServiceCodes(scope: FastifyInstance, context: GeoContext): void {
  readRoute(scope, context);
  putRoute(scope, context);
  removeRoute(scope, context);
}

function readRoute(scope: FastifyInstance, context: GeoContext): void {
  const { database } = context;
  scope.get(
    PATH,
    {
      schema: {
        ...head,
        summary: "The USSD codes of the caller's tenant",
        response: { 200: codesSchema, ...problemResponses },
      },
      config: { audit: nothing("codes of a tenant, which anybody may dial") },
      onRequest: [...admin(context)],
    },
    async (request) => {
      const { tenantId } = callerOf(request);
      const codes = await database.inTenant(tenantId, (tx) => serviceCodesOf(tx, tenantId));
      return { codes: codes.map(codeAnswer) };
    },
  );
}

function putRoute(scope: FastifyInstance, context: GeoContext): void {
  scope.put<{ Body: CodeBody }>(
    PATH,
    {
      schema: {
        ...head,
        summary: "Gives a USSD code of a country to a tenant",
        body: codeBody,
        response: { 200: codeSchema, ...problemResponses, ...problems(409) },
      },
      validatorCompiler: strictBody,
      config: { audit: beforeAnswer("ussd.service_code_put") },
      onRequest: [schemasKnown(context), ...scoped("platform:admin", context)],
    },
    (request) => {
      const code = codeOf(request.body, request.body.support_phone ?? null);
      if (context.countries.current.find(code.country)?.supportsUssd !== true) {
        throw new VigError("VIG_BODY_INVALID", { path: "country", why: "has no USSD" });
      }
      const work = async (tx: Parameters<typeof putServiceCode>[0]) => {
        if (!(await putServiceCode(tx, code))) throw new VigError("VIG_SERVICE_CODE_TAKEN");
        return { subjectUserId: null, payload: recordOf(code), answer: codeAnswer(code) };
      };
      return onRecord(context, request, "ussd.service_code_put", work, code.tenantId);
    },
  );
}

function removeRoute(scope: FastifyInstance, context: GeoContext): void {
  scope.post<{ Body: CodeKeyBody }>(
    `${PATH}/remove`,
    {
      schema: {
        ...head,
        summary: "Takes a USSD code from a tenant",
        body: codeKeyBody,
        response: { 200: foundSchema, ...problemResponses },
      },
      validatorCompiler: strictBody,
      config: { audit: beforeAnswer("ussd.service_code_removed") },
      onRequest: [schemasKnown(context), ...scoped("platform:admin", context)],
    },
    (request) => {
      const code = codeOf(request.body, null);
      const work = async (tx: Parameters<typeof removeServiceCode>[0]) => {
        const found = await removeServiceCode(tx, code);
        return { subjectUserId: null, payload: recordOf(code), answer: { status: "done", found } };
      };
      return onRecord(context, request, "ussd.service_code_removed", work, code.tenantId);
    },
  );
}

const codeOf = (body: CodeKeyBody, supportPhone: string | null): ServiceCode => ({
  tenantId: body.tenant_id,
  serviceCode: body.service_code,
  country: body.country,
  supportPhone,
});

const recordOf = ({ tenantId, serviceCode, country }: ServiceCode) => ({
  tenant: tenantId,
  service_code: serviceCode,
  country,
});

const codeAnswer = ({ serviceCode, country, supportPhone }: ServiceCode) => ({
  service_code: serviceCode,
  country,
  support_phone: supportPhone,
});
