import { generateKeyPairSync } from "node:crypto";
import { assert } from "@vigie/core/assert";
import { silentLogger } from "@vigie/core/log";
import { noOutages } from "@vigie/core/outages";
import type { TopicName } from "@vigie/schemas/catalogue";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import { SAMPLE_TIME_MS, sampleLogin } from "@vigie/schemas/samples";
import { memoryAudit } from "@vigie/service-kit/audit-trail/memory-audit";
import { createHealth } from "@vigie/service-kit/health";
import { createTokenVerifier } from "@vigie/service-kit/http/jwt";
import { pemKeys } from "@vigie/service-kit/http/jwt-keys";
import { LocalRateLimiter, noRateLimit } from "@vigie/service-kit/http/rate-limit";
import { createRequestLog } from "@vigie/service-kit/http/request-log";
import { createMetrics } from "@vigie/service-kit/metrics";
import { memoryOutput } from "@vigie/service-kit/output/memory-output";
import { memoryView } from "@vigie/service-kit/sessions/memory-view";
import { SignJWT } from "jose";
import { buildApp, type EdgeOptions } from "./app.ts";
import { createOutcomes } from "./commands/outcomes.ts";
import { excessLogins } from "./ingest/excess-logins.ts";
import { Hub } from "./live/hub.ts";
import { memoryPolicies, memoryPolicyBook } from "./policies/memory-policies.ts";

/** What tests of the edge share: an app without port and broker, and tokens for it. */

export const NOW_MS = SAMPLE_TIME_MS;
export const AUDIENCE = "molam-id";
export const ISSUER = "https://id.molam.example";

const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const publicPem = publicKey.export({ type: "spki", format: "pem" }).toString();

/** A token of the issuer that the test edge trusts; by default of a service of the samples' tenant. */
export function token(claims: Record<string, unknown> = {}): Promise<string> {
  const issuedS = Math.floor(NOW_MS / 1_000);
  const all = {
    sub: "auth-gateway",
    tenant_id: sampleLogin.tenant_id,
    type: "access",
    scope: "events:write",
    aud: AUDIENCE,
    iss: ISSUER,
    iat: issuedS,
    exp: issuedS + 900,
    ...claims,
  };
  return new SignJWT(all).setProtectedHeader({ alg: "ES256" }).sign(privateKey);
}

export const bearer = async (claims: Record<string, unknown> = {}) => ({
  authorization: `Bearer ${await token(claims)}`,
});

/** The claims of a person's own token. */
export const person = { sub: sampleLogin.user_id, sid: "s-1", user_type: "EXTERNAL" } as const;

export function testEdge(overrides: Partial<EdgeOptions> = {}) {
  const output = memoryOutput({ bufferBytesMax: 4_096 });
  const codecs = memoryCodecs();
  const audit = memoryAudit(() => NOW_MS);
  const outcomes = createOutcomes();
  const policyStore = memoryPolicies();
  const hub = new Hub();
  hub.follows();
  const excess = excessLogins({
    limiter: new LocalRateLimiter({ clock: () => NOW_MS }),
    clock: () => NOW_MS,
    loginsPerMinute: 3,
    limitMs: 600_000,
  });
  const lines: string[] = [];
  const sink = { write: (line: string) => void lines.push(line), flush: async () => {} };
  const clock = () => NOW_MS;
  const verifier = createTokenVerifier({
    keys: pemKeys(publicPem, ["ES256"]),
    audience: AUDIENCE,
    issuer: ISSUER,
    defaultTenant: null,
    clock,
  });
  const health = createHealth("edge", clock);
  const rate = { perMinute: 600, burst: 600 };
  const app = buildApp({
    output,
    codecs,
    auth: { verifier, limiter: noRateLimit, rates: { service: rate, user: rate } },
    limits: { maxEventAgeMs: 30 * 86_400_000, maxAheadMs: 300_000 },
    bodyMaxBytes: 131_072,
    batchBodyMaxBytes: 4_194_304,
    allowedOrigins: ["https://app.molam.example", "https://*.molam.sn"],
    trustedProxies: [],
    log: silentLogger,
    requestLog: createRequestLog({ service: "edge", clock, sink }),
    metrics: createMetrics("edge", { processMetrics: false }),
    clock,
    health: health.report,
    database: null,
    view: memoryView(),
    audit,
    auditLog: null,
    exportLimits: { runningMax: 4, stallMs: 5_000 },
    policies: memoryPolicyBook(),
    outagesOf: () => noOutages,
    policyStore,
    outcomes,
    commandWaitMs: 20,
    enforcementPoints: ["eats", "pay"],
    ackObjectiveMs: 1_000,
    hub,
    liveLimits: { connectionsMax: 100, perCallerMax: 3, bufferMaxBytes: 65_536 },
    excess,
    idDomainOrgs: new Set(["id"]),
    isReady: () => true,
    ...overrides,
  });
  return {
    app,
    output,
    audit,
    outcomes,
    hub,
    excess,
    policyStore,
    codecs,
    lines,
    health,
    verifier,
  };
}

export type TestEdge = ReturnType<typeof testEdge>;

/** One call with a service's token unless `claims` say otherwise. */
export async function post(
  { app }: TestEdge,
  url: string,
  payload: object | string,
  options: { claims?: Record<string, unknown>; headers?: Record<string, string> } = {},
) {
  const headers = {
    "content-type": "application/json",
    ...(await bearer(options.claims)),
    ...options.headers,
  };
  return app.inject({ method: "POST", url, headers, payload });
}

/** The values of everything acknowledged, decoded. */
export function producedValues({ output, codecs }: TestEdge): Record<string, unknown>[] {
  return output.produced.map(({ topic, value }) => {
    const decoded = codecs.decoder<Record<string, unknown>>(topic as TopicName).decode(value);
    assert(decoded.kind === "ok", "what the edge produces can be decoded");
    return decoded.value;
  });
}
