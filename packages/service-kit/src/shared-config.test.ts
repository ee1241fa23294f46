import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, test } from "vitest";
import { parseConfig, type Schema } from "./config.ts";
import { kafkaOptions } from "./kafka-config.ts";
import {
  databaseConfig,
  geoipConfig,
  geoipConfigIn,
  geoipPaths,
  kafkaConfig,
  redisConfig,
} from "./shared-config.ts";

function configOf<S extends Schema>(schema: S, env: Record<string, string>) {
  const parsed = parseConfig(schema, env);
  assert.ok("config" in parsed, JSON.stringify(parsed));
  return parsed.config;
}

const brokers = { KAFKA_BROKERS: "a:9092,b:9092" };

test("plain Kafka needs the brokers alone", () => {
  const options = kafkaOptions(configOf(kafkaConfig, brokers));
  assert.deepEqual(options, { brokers: ["a:9092", "b:9092"], prefix: "" });
});

test("SASL and TLS with an own authority reach the client", () => {
  const folder = mkdtempSync(join(tmpdir(), "vigie-ca-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const ca = join(folder, "ca.pem");
  writeFileSync(ca, "PEM");
  const options = kafkaOptions(
    configOf(kafkaConfig, {
      ...brokers,
      KAFKA_SSL: "true",
      KAFKA_SSL_CA: ca,
      KAFKA_SASL_MECHANISM: "scram-sha-512",
      KAFKA_SASL_USERNAME: "vigie",
      KAFKA_SASL_PASSWORD: "pass",
    }),
  );
  assert.deepEqual(options.ssl, { ca: ["PEM"] });
  assert.deepEqual(options.sasl, {
    mechanism: "scram-sha-512",
    username: "vigie",
    password: "pass",
  });
  assert.equal(kafkaOptions(configOf(kafkaConfig, { ...brokers, KAFKA_SSL: "true" })).ssl, true);
});

test("only URLs of PostgreSQL and Redis are taken", () => {
  const fault = (schema: Schema, env: Record<string, string>) =>
    "faults" in parseConfig(schema, env);
  assert.ok(!fault(redisConfig, { REDIS_URL: "rediss://r:6380" }));
  assert.ok(fault(redisConfig, { REDIS_URL: "http://r" }));
  assert.ok(!fault(databaseConfig, { DATABASE_URL: "postgresql://u@h/d?sslmode=verify-full" }));
  assert.ok(fault(databaseConfig, { DATABASE_URL: "db" }));
});

test("GEO-15: MAXMIND_DB_PATH sets both databases, a path of its own wins", () => {
  const MAXMIND_DB_PATH = mkdtempSync(join(tmpdir(), "vigie-geoip-"));
  onTestFinished(() => rmSync(MAXMIND_DB_PATH, { recursive: true }));
  const cityPath = join(MAXMIND_DB_PATH, "GeoLite2-City.mmdb");
  const asnPath = join(MAXMIND_DB_PATH, "GeoLite2-ASN.mmdb");
  writeFileSync(asnPath, "");
  const half = parseConfig(geoipConfig, { MAXMIND_DB_PATH });
  assert.ok("faults" in half && /has no GeoLite2-City.mmdb/.test(half.faults.join()));
  const own = configOf(geoipConfig, { MAXMIND_DB_PATH, GEOIP_CITY_DB: import.meta.filename });
  writeFileSync(cityPath, "");
  assert.deepEqual(geoipPaths(configOf(geoipConfig, { MAXMIND_DB_PATH })), { cityPath, asnPath });
  assert.equal(geoipPaths(own).cityPath, import.meta.filename);
});

test("DEP-03: databases of MaxMind in the usual folder are used without a word, once both are there", () => {
  const folder = mkdtempSync(join(tmpdir(), "vigie-data-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const schema = geoipConfigIn(folder);
  const cityPath = join(folder, "GeoLite2-City.mmdb");
  const asnPath = join(folder, "GeoLite2-ASN.mmdb");
  writeFileSync(cityPath, "");
  assert.deepEqual(geoipPaths(configOf(schema, {})), { cityPath: null, asnPath: null });
  writeFileSync(asnPath, "");
  assert.deepEqual(geoipPaths(configOf(schema, {})), { cityPath, asnPath });
  const own = configOf(schema, { GEOIP_ASN_DB: import.meta.filename });
  assert.deepEqual(geoipPaths(own), { cityPath, asnPath: import.meta.filename });
});
