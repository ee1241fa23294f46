import { assert } from "@vigie/core/assert";
import { VigError } from "@vigie/core/errors";
import {
  checkPolicy,
  defaultPolicy,
  overlayPolicy,
  type PolicyDocument,
  type PolicyOverlay,
  parsePolicy,
  policySchema,
} from "@vigie/core/policy";
import type { Encoder } from "@vigie/schemas/codec-core";
import type { ActorRef, SessionPolicy } from "@vigie/schemas/types";
import { actorRefOf } from "@vigie/service-kit/audit-trail/actor";
import { beforeAnswer, nothing } from "@vigie/service-kit/audit-trail/declared";
import { recordedChange } from "@vigie/service-kit/audit-trail/recorded-change";
import { admin, callerOf } from "@vigie/service-kit/http/access";
import { seenVersionOf, versionTag } from "@vigie/service-kit/http/if-match";
import { sendProblem } from "@vigie/service-kit/http/problem";
import { strictQuery } from "@vigie/service-kit/http/strict-body";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { EdgeContext } from "../context.ts";
import {
  type ChangeOutcome,
  DEFAULT_TENANT_KEY,
  POLICY_TOPIC,
  type PolicyStore,
  type StoredPolicies,
  type StoredPolicy,
} from "./policy-store.ts";
import { changeRoute, readRoute, schemaRoute } from "./schemas.ts";

const PLATFORM_SCOPE = "platform:admin";
const URL = "/api/id/admin/sessions/policies";
/** The audit record holds two of them, before and after, and takes 64 KiB. */
const DOCUMENT_MAX_BYTES = 24_576;

/** POL-01, POL-02: the policy of a tenant, and of all tenants for the platform's administrators. */
export function policies(scope: FastifyInstance, context: EdgeContext): void {
  scope.setValidatorCompiler(strictQuery);
  const judge = scope.validatorCompiler;
  assert(judge !== undefined, "this scope judges its queries");
  const onRequest = [...admin(context)];
  const config = { audit: nothing("rules, and no person's data") };
  const encoder = context.codecs.encoder<SessionPolicy>(POLICY_TOPIC);
  scope.get(`${URL}/schema`, { schema: schemaRoute, config, onRequest }, (_request, reply) =>
    reply.type("application/schema+json").serializer(JSON.stringify).send(policySchema()),
  );
  scope.get(URL, { schema: readRoute, config, onRequest }, async (request, reply) => {
    const tenantId = tenantOf(request, context);
    const stored = await storeOf(context).read(tenantId);
    return answer(reply, tenantId, stored);
  });
  scope.route({
    method: "PUT",
    url: URL,
    schema: changeRoute,
    bodyLimit: DOCUMENT_MAX_BYTES,
    config: { audit: beforeAnswer("policy.updated", "policy.update_undone") },
    onRequest,
    // The document is judged below, where every fault is named; its schema here describes.
    validatorCompiler: (part) => (part.httpPart === "body" ? () => true : judge(part)),
    handler: (request, reply) => change(request, reply, context, encoder),
  });
}

/** The tenant of the token, or the one asked for. Throws: VIG_SCOPE_MISSING, VIG_NOT_FOUND. */
function tenantOf(request: FastifyRequest, { audit }: Pick<EdgeContext, "audit">): string {
  const caller = callerOf(request);
  const { tenant = caller.tenantId } = request.query as { tenant?: string };
  if (tenant === caller.tenantId || caller.scopes.has(PLATFORM_SCOPE)) return tenant;
  const fault = tenant === DEFAULT_TENANT_KEY ? "VIG_SCOPE_MISSING" : "VIG_NOT_FOUND";
  audit.denied({ caller, request, payload: { fault } });
  throw fault === "VIG_NOT_FOUND"
    ? new VigError(fault, { what: "tenant" })
    : new VigError(fault, { scope: PLATFORM_SCOPE });
}

function storeOf({ policyStore }: EdgeContext): PolicyStore {
  if (policyStore === null) throw new VigError("VIG_DATABASE_UNSET");
  return policyStore;
}

async function change(
  request: FastifyRequest,
  reply: FastifyReply,
  context: EdgeContext,
  encoder: Encoder<SessionPolicy>,
): Promise<unknown> {
  const tenantId = tenantOf(request, context);
  const store = storeOf(context);
  if (!context.isReady()) throw new VigError("VIG_REGISTRY_AWAY", { why: "schemas are not known" });
  const { faults } = checkPolicy(request.body);
  const [first] = faults ?? [];
  if (faults !== undefined && first !== undefined) {
    const { path, why } = first;
    return sendProblem(reply, "VIG_POLICY_INVALID", { count: faults.length, path, why }, faults);
  }
  const seenVersion = seenVersionOf(request);
  const actor = actorRefOf(callerOf(request), request, "ADMIN");
  const next: StoredPolicy = {
    version: seenVersion + 1,
    document: request.body as object,
    updatedAtMs: context.clock(),
    updatedBy: actor.id,
  };
  const record = encoder.encode(recordOf(tenantId, next, actor));
  const outcome = await recordedChange<StoredPolicy | null, ChangeOutcome>(
    context.audit,
    {
      entry: { caller: callerOf(request), request, subjectUserId: null },
      changed: "policy.updated",
      undone: "policy.update_undone",
      what: { tenant: tenantId, version: next.version },
      detailsOf: (before) => ({ before: before?.document ?? {}, after: next.document }),
    },
    (beforeCommit) => store.change({ tenantId, seenVersion, next, record }, beforeCommit),
  );
  if (outcome.kind === "stale") {
    throw new VigError("VIG_VERSION_STALE", { version: outcome.version });
  }
  const { common } = await store.read(tenantId);
  return answer(reply, tenantId, { own: next, common });
}

function recordOf(tenantId: string, next: StoredPolicy, actor: ActorRef): SessionPolicy {
  return {
    tenant_id: tenantId,
    version: next.version,
    updated_at: next.updatedAtMs,
    actor,
    document: JSON.stringify(next.document),
  };
}

function answer(reply: FastifyReply, tenantId: string, { own, common }: StoredPolicies): unknown {
  const version = own?.version ?? 0;
  reply.header("etag", versionTag(version));
  return {
    tenant_id: tenantId,
    version,
    default_version: common?.version ?? 0,
    updated_at: own === null ? null : new Date(own.updatedAtMs).toISOString(),
    updated_by: own?.updatedBy ?? null,
    document: own?.document ?? {},
    effective: effectiveOf(own, common),
  };
}

/** As processors reckon it. */
const effectiveOf = (own: StoredPolicy | null, common: StoredPolicy | null): PolicyDocument =>
  overlayPolicy(overlayPolicy(defaultPolicy, overlayOf(common)), overlayOf(own));

const overlayOf = (stored: StoredPolicy | null): PolicyOverlay =>
  stored === null ? {} : (parsePolicy(JSON.stringify(stored.document)).overlay ?? {});
