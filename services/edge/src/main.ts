import { randomUUID } from "node:crypto";
import { openCodecs } from "@vigie/schemas/codecs";
import { emitterOf } from "@vigie/service-kit/audit-trail/emitter";
import { createKafkaAudit } from "@vigie/service-kit/audit-trail/kafka-audit";
import { loadConfig } from "@vigie/service-kit/config";
import { followTopics } from "@vigie/service-kit/follow-topics";
import { createHealth } from "@vigie/service-kit/health";
import { rateLimits, tokenVerifier } from "@vigie/service-kit/http/callers";
import { openLineWriter } from "@vigie/service-kit/http/line-writer";
import { createRequestLog } from "@vigie/service-kit/http/request-log";
import { startJobs } from "@vigie/service-kit/jobs";
import { codecsOptions, kafkaOptions } from "@vigie/service-kit/kafka-config";
import { createLogger } from "@vigie/service-kit/log";
import { createMetrics } from "@vigie/service-kit/metrics";
import { openServiceOutput } from "@vigie/service-kit/output/service-output";
import { followPolicies } from "@vigie/service-kit/policy-book";
import { readiness } from "@vigie/service-kit/readiness";
import { followTicks } from "@vigie/service-kit/sessions/follow-ticks";
import { openServiceView } from "@vigie/service-kit/sessions/service-view";
import { runUntilSignal } from "@vigie/service-kit/shutdown";
import { streamObserver } from "@vigie/service-kit/stream-observer";
import { openKafka } from "@vigie/stream/kafka/client";
import { buildApp } from "./app.ts";
import { openAuditLog } from "./audit-api/open-log.ts";
import { outcomeTakers } from "./commands/follow-outcomes.ts";
import { createOutcomes } from "./commands/outcomes.ts";
import { edgeConfig } from "./config.ts";
import { followConsents } from "./consents/follow-consents.ts";
import { openEdgeDatabase } from "./database.ts";
import { excessTakers, followWhileNeeded, liveTakers } from "./live/follow-live.ts";
import { Hub } from "./live/hub.ts";
import { postgresPolicies } from "./policies/policy-store.ts";
import { tellDoneJob } from "./privacy/erasure/tell-done.ts";
import { openEdgeRedis } from "./redis.ts";
import { tickJob } from "./ticks.ts";
import { admitLimits, excessOf, exportLimits, liveLimits } from "./wiring.ts";

const config = loadConfig(edgeConfig, process);
const clock = Date.now;
const log = createLogger("edge", { level: config.LOG_LEVEL });
const metrics = createMetrics("edge");
const health = createHealth("edge", clock);
const observer = streamObserver(metrics, health, "edge");
const wiring = { config, clock, log, health };
const { redis, closables: redisParts } = openEdgeRedis(wiring);
const { limits, closables } = rateLimits({ redis, ...wiring });

const codecs = await openCodecs({ ...codecsOptions(config), log, observer });
const { isReady, prepare } = readiness(codecs, health);
const { prefix, ...kafka } = kafkaOptions(config);
const client = openKafka({ ...kafka, clientId: "vigie.edge", log });
const { output, producer } = await openServiceOutput(client, prefix, config, observer);
const idDomainOrgs = new Set(config.ID_DOMAIN_ORGS);
const emitter = emitterOf("edge", config, randomUUID());
const audit = createKafkaAudit({ output, codecs, emitter, idDomainOrgs, clock, log, metrics });

const stores = openEdgeDatabase(wiring, { client, prefix, metrics });
const { database } = stores;
const auditReading = openAuditLog(wiring, database);
const policies = followPolicies({ client, prefix, codecs, log, health });

const ticks = followTicks({ client, prefix, clock, log });
const outagesOf = (partition: number) => ticks.outagesOf(partition);
const ticking = startJobs(
  [
    tickJob({ output, codecs, writer: emitter, clock, isReady }),
    tellDoneJob({ database, audit, isReady }),
  ],
  log,
);
const liveness = openServiceView({
  ...wiring,
  service: "edge",
  client,
  codecs,
  database,
  policies,
  outagesOf,
});

health.declare("consents");
const consents = followConsents({
  client,
  prefix,
  codecs,
  log,
  metrics,
  onState: (up, why) => health.set("consents", up, why),
});

const outcomes = createOutcomes(liveness.book);
const hub = new Hub();
const excess = excessOf(wiring, limits.limiter);
health.declare("outcomes", { needed: false });
health.declare("excess", { needed: false });
// Apart, so that nobody's command waits behind a burst of sessions.
const followingOutcomes = followTopics({
  client,
  prefix,
  codecs,
  takers: outcomeTakers(outcomes),
  log,
  name: "outcomes",
  onState: (up, why) => health.set("outcomes", up, why),
});
const followingExcess = followTopics({
  client,
  prefix,
  codecs,
  takers: excessTakers(excess),
  log,
  name: "excess",
  onState: (up, why) => health.set("excess", up, why),
});
const followingLive = followWhileNeeded(hub, (onFollowing) =>
  followTopics({
    client,
    prefix,
    codecs,
    takers: liveTakers(hub),
    log,
    name: "live",
    onFollowing,
  }),
);

// At once: with the broker away each takes its time.
const following = {
  stop: () =>
    Promise.all(
      [consents, followingOutcomes, followingExcess, followingLive].map((each) => each.stop()),
    ),
};

const lines = openLineWriter(1, (count) => log.warn({ count }, "request_lines_lost"));
const app = buildApp({
  output,
  codecs,
  auth: { verifier: tokenVerifier(wiring), ...limits },
  limits: admitLimits(config),
  consents,
  bodyMaxBytes: config.BODY_MAX_BYTES,
  batchBodyMaxBytes: config.BATCH_BODY_MAX_BYTES,
  allowedOrigins: config.ALLOWED_ORIGINS,
  trustedProxies: config.TRUSTED_PROXIES,
  log,
  requestLog: createRequestLog({ service: "edge", clock, sink: lines }),
  metrics,
  clock,
  health: health.report,
  isReady,
  database,
  policies,
  outagesOf,
  policyStore: database === null ? null : postgresPolicies(database),
  view: liveness.view,
  audit,
  auditLog: auditReading.log,
  exportLimits: exportLimits(config),
  outcomes,
  commandWaitMs: config.COMMAND_WAIT_MS,
  enforcementPoints: config.ENFORCEMENT_POINTS,
  ackObjectiveMs: config.ACK_OBJECTIVE_MS,
  hub,
  liveLimits: liveLimits(config),
  excess,
  idDomainOrgs,
});
const address = await app.listen({ host: config.HOST, port: config.PORT });
log.info({ url: address }, "listening");
const parts = [
  auditReading,
  liveness.closables,
  policies,
  stores.closables,
  closables,
  redisParts,
].flat();
await runUntilSignal([app, ticking, audit, producer, following, ticks, ...parts], {
  log,
  drainTimeoutMs: config.DRAIN_TIMEOUT_MS,
  failed: [prepare(audit.open), liveness.failed, auditReading.failed],
});
