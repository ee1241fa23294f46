import { randomUUID } from "node:crypto";
import { builtAt } from "@vigie/geoip/data";
import { geoPaths } from "@vigie/geoip/files";
import { openGeoIp } from "@vigie/geoip/live";
import { openCodecs } from "@vigie/schemas/codecs";
import { emitterOf } from "@vigie/service-kit/audit-trail/emitter";
import { createKafkaAudit } from "@vigie/service-kit/audit-trail/kafka-audit";
import { loadConfig } from "@vigie/service-kit/config";
import { tellDataAge } from "@vigie/service-kit/data-age";
import { createHealth } from "@vigie/service-kit/health";
import { rateLimits, tokenVerifier } from "@vigie/service-kit/http/callers";
import { openLineWriter } from "@vigie/service-kit/http/line-writer";
import { createRequestLog } from "@vigie/service-kit/http/request-log";
import { startJobs } from "@vigie/service-kit/jobs";
import { codecsOptions, kafkaOptions } from "@vigie/service-kit/kafka-config";
import { awaitKeys } from "@vigie/service-kit/kms/open-keys";
import { createLogger } from "@vigie/service-kit/log";
import { createMetrics } from "@vigie/service-kit/metrics";
import { openServiceOutput } from "@vigie/service-kit/output/service-output";
import { followPolicies } from "@vigie/service-kit/policy-book";
import { readiness } from "@vigie/service-kit/readiness";
import { followTicks } from "@vigie/service-kit/sessions/follow-ticks";
import { openServiceView } from "@vigie/service-kit/sessions/service-view";
import { geoipPaths } from "@vigie/service-kit/shared-config";
import { runUntilSignal } from "@vigie/service-kit/shutdown";
import { streamObserver } from "@vigie/service-kit/stream-observer";
import { openKafka } from "@vigie/stream/kafka/client";
import { buildApp } from "./app.ts";
import { geoConfig } from "./config.ts";
import { postgresCountries } from "./countries/country-store.ts";
import { createEraser } from "./erasure/eraser.ts";
import { erasureTaker } from "./erasure/follow-erasures.ts";
import { travelTaker } from "./feed/travels.ts";
import { redisPersonCache } from "./geo-context/person-cache.ts";
import type { Held } from "./geo-context/place-book.ts";
import { postgresBook } from "./geo-context/postgres-book.ts";
import { fraudMeter } from "./geo-events/fraud-meter.ts";
import { eventRetentionJob } from "./geo-events/retention.ts";
import { purgeJob } from "./gps/purge.ts";
import { createGpsVault } from "./gps/vault.ts";
import { openStores } from "./stores.ts";
import { takeRecords } from "./take-records.ts";
import { ussdParts } from "./ussd/config.ts";
import { createLinkBook } from "./ussd/links/link-book.ts";
import { rekeyJob } from "./ussd/links/rekey.ts";
import { simMemoryJob } from "./ussd/links/sim-memory.ts";

const config = loadConfig(geoConfig, process);
const clock = Date.now;
const log = createLogger("geo", { level: config.LOG_LEVEL });
const metrics = createMetrics("geo");
const health = createHealth("geo", clock);
const observer = streamObserver(metrics, health, "geo");
const wiring = { service: "geo", config, clock, log, health };
const geoip = await openGeoIp(geoPaths(geoipPaths(config)), log);
tellDataAge({ part: "geoip", builtAt: () => builtAt(geoip.data()), health, metrics, clock });
const keys = await awaitKeys(config, { log, health });

const codecs = await openCodecs({ ...codecsOptions(config), log, observer });
const { isReady, prepare } = readiness(codecs, health);
const { prefix, ...kafka } = kafkaOptions(config);
const client = openKafka({ ...kafka, clientId: "vigie.geo", log });
const { output, producer } = await openServiceOutput(client, prefix, config, observer);
const idDomainOrgs = new Set(config.ID_DOMAIN_ORGS);
const emitter = emitterOf("geo", config, randomUUID());
const audit = createKafkaAudit({ output, codecs, emitter, idDomainOrgs, clock, log, metrics });

const stores = openStores({ config, log, metrics, health, client, prefix });
const { database, redis } = stores;
const policies = followPolicies({ client, prefix, codecs, log, health });
const ticks = followTicks({ client, prefix, clock, log });
const outagesOf = (partition: number) => ticks.outagesOf(partition);
const liveness = openServiceView({ ...wiring, client, codecs, database, policies, outagesOf });
const { limits, closables } = rateLimits({ redis, ...wiring });
const cache = redisPersonCache<Held>(redis, log);
const book = postgresBook({ database, cache, vault: createGpsVault(keys, clock) });
const eraser = createEraser(cache);
const links = createLinkBook(keys, clock);
const jobs = startJobs(
  [
    purgeJob({ database, clock, health, metrics }),
    eventRetentionJob({ database, metrics, keptDays: config.GEO_EVENTS_KEPT_DAYS }),
    rekeyJob(database, links),
    simMemoryJob(database, config.USSD_SIM_HOLD_HOURS),
  ],
  log,
);
const records = takeRecords({
  client,
  prefix,
  stateDir: config.VIGIE_STATE_DIR,
  database,
  takers: [erasureTaker(codecs, eraser), travelTaker(codecs, fraudMeter(metrics))],
  log,
  metrics,
  health,
});
const perAddress = config.RATE_LIMIT_ADDRESS_PER_MINUTE;

const lines = openLineWriter(1, (count) => log.warn({ count }, "request_lines_lost"));
const app = buildApp({
  auth: { verifier: tokenVerifier(wiring), ...limits },
  addressRate: { perMinute: perAddress, burst: perAddress },
  view: liveness.view,
  idDomainOrgs,
  clock,
  log,
  metrics,
  database,
  redis,
  geoip,
  codecs,
  output,
  audit,
  keys,
  countries: stores.countries,
  countryStore: postgresCountries(database),
  book,
  ussd: ussdParts(config, redis),
  eraser,
  isReady,
  bodyMaxBytes: config.BODY_MAX_BYTES,
  allowedOrigins: config.ALLOWED_ORIGINS,
  trustedProxies: config.TRUSTED_PROXIES,
  requestLog: createRequestLog({ service: "geo", clock, sink: lines }),
  health: health.report,
});
const address = await app.listen({ host: config.HOST, port: config.PORT });
log.info({ url: address }, "listening");
const parts = [liveness.closables, policies, ticks, closables, stores.closables, geoip].flat();
await runUntilSignal([app, records, jobs, audit, producer, ...parts], {
  log,
  drainTimeoutMs: config.DRAIN_TIMEOUT_MS,
  failed: [prepare(audit.open), liveness.failed, records.failed],
});
