import { randomBytes } from "node:crypto";
import { VigError } from "@vigie/core/errors";
import { silentLogger } from "@vigie/core/log";
import { HOUR_MS } from "@vigie/core/time";
import { type Address, unknownAddress } from "@vigie/geoip/geoip";
import type { LiveGeoIp } from "@vigie/geoip/live";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import { memoryAudit } from "@vigie/service-kit/audit-trail/memory-audit";
import { createHealth } from "@vigie/service-kit/health";
import { LocalRateLimiter } from "@vigie/service-kit/http/rate-limit";
import { createRequestLog } from "@vigie/service-kit/http/request-log";
import { derivedKeys } from "@vigie/service-kit/kms/derived-keys";
import type { Keys } from "@vigie/service-kit/kms/keys";
import { createMetrics } from "@vigie/service-kit/metrics";
import { memoryOutput } from "@vigie/service-kit/output/memory-output";
import type { Database } from "@vigie/service-kit/postgres/database";
import type { RedisStore } from "@vigie/service-kit/redis/redis";
import { memoryView } from "@vigie/service-kit/sessions/memory-view";
import { issuerAuth, NOW_MS } from "@vigie/service-kit/testing/issuer";
import { buildApp, type GeoOptions } from "./app.ts";
import { seededCountries } from "./countries/countries.ts";
import { memoryCountries } from "./countries/memory-countries.ts";
import { createEraser } from "./erasure/eraser.ts";
import { memoryBook } from "./geo-context/memory-book.ts";
import { noPersonCache } from "./geo-context/person-cache.ts";
import { memoryDialogues } from "./ussd/sessions/memory-dialogues.ts";

/** What tests of the geo service share: an app without port, broker and stores. Tokens: service-kit's testing/issuer. */

const away = (code: "VIG_DATABASE_AWAY" | "VIG_REDIS_AWAY") => () =>
  Promise.reject(new VigError(code, { why: "this test has none" }));
const noDatabase = away("VIG_DATABASE_AWAY");
const noRedis = away("VIG_REDIS_AWAY");

/** Away, whatever is asked. */
export const databaseAway: Database = {
  query: noDatabase,
  transaction: noDatabase,
  inTenant: noDatabase,
  ping: noDatabase,
  close: async () => {},
};
export const redisAway: RedisStore = {
  key: (name) => name,
  command: noRedis,
  script: () => noRedis,
  readScript: () => noRedis,
  ping: noRedis,
  close: async () => {},
};

const noData = { builtAtMs: null, credits: [] };

/** Knows the addresses that it is told of. */
export const geoipOf = (known: Readonly<Record<string, Partial<Address>>> = {}): LiveGeoIp => ({
  lookup: (ip) => ({ ...unknownAddress, ...known[ip] }),
  data: () => ({ city: noData, network: noData }),
  look: async () => false,
  close: async () => {},
});

const master = { keyId: "test-1", activeFromMs: 0, secret: randomBytes(32) };
export const testKeys: Keys = derivedKeys([master], () => NOW_MS);

/** So many calls of an address, and none more while time stands still. */
export const limitedTo = (calls: number): Pick<GeoOptions, "auth" | "addressRate"> => ({
  auth: { ...issuerAuth(), limiter: new LocalRateLimiter({ clock: () => NOW_MS }) },
  addressRate: { perMinute: calls, burst: calls },
});

/** Time stands still at NOW_MS. */
export function testGeo(overrides: Partial<GeoOptions> = {}) {
  const clock = () => NOW_MS;
  const output = memoryOutput({ bufferBytesMax: 65_536 });
  const codecs = memoryCodecs();
  const book = memoryBook();
  const audit = memoryAudit(clock);
  const health = createHealth("geo", clock);
  const metrics = createMetrics("geo", { processMetrics: false });
  const lines: string[] = [];
  const sink = { write: (line: string) => void lines.push(line), flush: async () => {} };
  const rate = { perMinute: 600, burst: 600 };
  const app = buildApp({
    auth: issuerAuth(),
    addressRate: rate,
    view: memoryView(),
    idDomainOrgs: new Set(["id"]),
    clock,
    log: silentLogger,
    metrics,
    database: databaseAway,
    redis: redisAway,
    geoip: geoipOf(),
    codecs,
    output,
    audit,
    keys: testKeys,
    countries: { current: seededCountries },
    countryStore: memoryCountries(),
    book,
    ussd: {
      providers: [],
      dialogues: memoryDialogues(clock, { idleMs: 180_000, usedMs: 3_600_000 }),
      simHoldMs: 72 * HOUR_MS,
    },
    eraser: createEraser(noPersonCache),
    isReady: () => true,
    bodyMaxBytes: 16_384,
    allowedOrigins: ["https://app.molam.example"],
    trustedProxies: [],
    requestLog: createRequestLog({ service: "geo", clock, sink }),
    health: health.report,
    ...overrides,
  });
  return { app, book, output, codecs, audit, health, metrics, lines };
}

export type TestGeo = ReturnType<typeof testGeo>;
