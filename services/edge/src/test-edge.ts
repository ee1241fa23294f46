import { assert } from "@vigie/core/assert";
import { silentLogger } from "@vigie/core/log";
import { noOutages } from "@vigie/core/outages";
import type { TopicName } from "@vigie/schemas/catalogue";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import { memoryAudit } from "@vigie/service-kit/audit-trail/memory-audit";
import { createHealth } from "@vigie/service-kit/health";
import { LocalRateLimiter } from "@vigie/service-kit/http/rate-limit";
import { createRequestLog } from "@vigie/service-kit/http/request-log";
import { createMetrics } from "@vigie/service-kit/metrics";
import { memoryOutput } from "@vigie/service-kit/output/memory-output";
import { DenialBook } from "@vigie/service-kit/sessions/denial-book";
import { memoryView } from "@vigie/service-kit/sessions/memory-view";
import {
  AUDIENCE,
  bearer,
  ISSUER,
  issuerAuth,
  NOW_MS,
  person,
  token,
} from "@vigie/service-kit/testing/issuer";
import { buildApp, type EdgeOptions } from "./app.ts";
import { createOutcomes } from "./commands/outcomes.ts";
import { noConsents } from "./consents/consents.ts";
import { excessLogins } from "./ingest/excess-logins.ts";
import { Hub } from "./live/hub.ts";
import { memoryPolicies, memoryPolicyBook } from "./policies/memory-policies.ts";

/** What tests of the edge share: an app without port and broker, and tokens for it. */

export { AUDIENCE, bearer, ISSUER, NOW_MS, person, token };

export function testEdge(overrides: Partial<EdgeOptions> = {}) {
  const output = memoryOutput({ bufferBytesMax: 4_096 });
  const codecs = memoryCodecs();
  const audit = memoryAudit(() => NOW_MS);
  const outcomes = createOutcomes(new DenialBook(() => NOW_MS));
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
  const auth = issuerAuth();
  const health = createHealth("edge", clock);
  const app = buildApp({
    output,
    codecs,
    auth,
    limits: { maxEventAgeMs: 30 * 86_400_000, maxAheadMs: 300_000 },
    consents: noConsents,
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
    verifier: auth.verifier,
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
