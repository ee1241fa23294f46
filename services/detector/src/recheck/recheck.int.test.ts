import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { partitionOf } from "@vigie/core/keys";
import { silentLogger } from "@vigie/core/log";
import { DAY_MS, MINUTE_MS } from "@vigie/core/time";
import { GeoIpDatabases } from "@vigie/geoip/databases";
import type { GeoIp } from "@vigie/geoip/geoip";
import { tinyMmdb } from "@vigie/geoip/tiny-mmdb";
import { PARTITIONS_DEFAULT, type TopicName, topicDefinitions } from "@vigie/schemas/catalogue";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import { sampleLogin } from "@vigie/schemas/samples";
import type {
  LoginEvent,
  SessionAnomaly,
  SessionPolicy,
  SubjectErasure,
} from "@vigie/schemas/types";
import { type KafkaAdmin, openAdmin } from "@vigie/stream/kafka/admin";
import { openKafka } from "@vigie/stream/kafka/client";
import { type LoneReader, openLoneReader } from "@vigie/stream/kafka/lone-reader";
import { type BatchingProducer, openBatchingProducer } from "@vigie/stream/kafka/producer";
import { startProcessor } from "@vigie/stream/runtime";
import { silentObserver } from "@vigie/stream/testing/lives";
import { eventually } from "@vigie/testkit/eventually";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { rules } from "#rules/index";
import { createDetector } from "../app.ts";
import { type RecheckCounts, recheck } from "./recheck.ts";

const TENANT = "acme";
/** Its policy has every trip in SHADOW. */
const TRIAL = "trial";
const inPartition = (user: string): number => partitionOf(`${TENANT}|${user}`, PARTITIONS_DEFAULT);
/** In one partition with another whose anomaly is withdrawn. */
const NEIGHBOUR =
  Array.from({ length: 100 }, (_, n) => `u-neighbour-${n}`).find(
    (user) => inPartition(user) === inPartition("u-contradicted"),
  ) ?? "";
const codecs = memoryCodecs();

let servers: TestStack;
let admin: KafkaAdmin;
let reader: LoneReader;
let producer: BatchingProducer;
let physical: (topic: string) => string;

beforeAll(async () => {
  servers = await stack();
  const { prefix } = servers;
  physical = (topic) => prefix + topic;
  const client = openKafka({ brokers: [servers.kafka], clientId: "test", log: silentLogger });
  [admin, reader, producer] = await Promise.all([
    openAdmin(client),
    openLoneReader(client),
    openBatchingProducer(client),
  ]);
  await admin.createTopics(topicDefinitions({ prefix }));
});
afterAll(async () => {
  const names = topicDefinitions({ prefix: servers.prefix }).map(({ topic }) => topic);
  await admin.deleteTopics(names);
  await Promise.all([admin.close(), reader.close(), producer.close()]);
  await servers.close();
});

const bits = (octet: number): string => octet.toString(2).padStart(8, "0");
const city = (latitude: number, longitude: number, country: string) => ({
  country: { iso_code: country },
  location: { latitude, longitude, accuracy_radius: 20 },
});
const DAKAR = city(14.69, -17.44, "SN");
const PARIS = city(48.85, 2.35, "FR");

/** Data by the first octet of addresses. */
function geoipOf(
  places: Readonly<Record<number, ReturnType<typeof city>>>,
  generation: number,
): GeoIp {
  const networks = Object.entries(places).map(([octet, record]) => ({
    prefix: bits(Number(octet)),
    record,
  }));
  const file = { file: "a.mmdb", bytes: tinyMmdb(networks) };
  return new GeoIpDatabases({ city: [file], asn: [], generation });
}
const before = geoipOf({ 41: DAKAR, 80: PARIS, 90: PARIS }, 1);
/** 90.0.0.0/8 was never in France. */
const after = geoipOf({ 41: DAKAR, 80: PARIS, 90: DAKAR }, 2);

const publish = <V>(topic: TopicName, key: string, value: V): Promise<unknown> =>
  producer.publish({
    topic: physical(topic),
    key,
    value: codecs.encoder<V>(topic).encode(value),
  });

async function login(tenant_id: string, user_id: string, ip: string, minutesAgo: number) {
  const event: LoginEvent = {
    ...sampleLogin,
    event_id: `e-${user_id}-${ip}`,
    tenant_id,
    user_id,
    session_id: `s-${user_id}-${ip}`,
    occurred_at: Date.now() - minutesAgo * MINUTE_MS,
    channel: "WEB",
    network: { ip, user_agent: null },
    location: null,
    sim: null,
  };
  await publish("id.login", `${tenant_id}|${user_id}`, event);
}

async function travel(tenantId: string, userId: string, to: string): Promise<void> {
  await login(tenantId, userId, "41.1.1.1", 30);
  await login(tenantId, userId, to, 1);
}

async function anomalies(): Promise<readonly SessionAnomaly[]> {
  const topic = physical("id.session.anomaly");
  const decoder = codecs.decoder<SessionAnomaly>("id.session.anomaly");
  const found: SessionAnomaly[] = [];
  const partitions = (await reader.endOffsets(topic)).length;
  for (let partition = 0; partition < partitions; partition++) {
    await reader.read({ topic, partition, from: "earliest", to: "end" }, (records) => {
      for (const { value } of records) {
        const read = decoder.decode(value ?? Buffer.alloc(0));
        if (read.kind === "ok") found.push(read.value);
      }
    });
  }
  return found;
}
const trips = async () =>
  (await anomalies()).filter(({ kind, retracts }) => kind === "impossible_travel" && !retracts);
const retractions = async () => (await anomalies()).filter(({ retracts }) => retracts !== null);

async function startDetector(): Promise<void> {
  const stateDir = mkdtempSync(join(tmpdir(), "vigie-recheck-"));
  const limits = { maxEventAgeMs: 30 * DAY_MS, maxAheadMs: 5 * MINUTE_MS };
  const detector = createDetector({ codecs, geoip: before, log: silentLogger, ...limits });
  const running = await startProcessor(detector, {
    brokers: [servers.kafka],
    prefix: servers.prefix,
    stateDir,
    log: silentLogger,
    observer: silentObserver,
    createInternalTopics: false,
  });
  onTestFinished(async () => {
    await running.stop();
    rmSync(stateDir, { recursive: true, force: true });
  });
}

const rejudge = (geoip: GeoIp, alarmsMax?: number): Promise<RecheckCounts> =>
  recheck({
    reader,
    producer,
    codecs,
    rules,
    geoip,
    prefix: servers.prefix,
    clock: Date.now,
    signal: new AbortController().signal,
    ...(alarmsMax !== undefined && { alarmsMax }),
  });

test("what newer data contradicts is withdrawn once, whoever does it; all else is left alone", async () => {
  await publish("id.session.policy", TRIAL, {
    tenant_id: TRIAL,
    version: 1,
    updated_at: Date.now(),
    actor: { type: "SYSTEM", id: "test", impersonator_id: null },
    document: JSON.stringify({ rules: { impossible_travel: { mode: "SHADOW" } } }),
  } satisfies SessionPolicy);
  await startDetector();
  await travel(TENANT, "u-contradicted", "90.1.1.1");
  await travel(TENANT, NEIGHBOUR, "90.1.1.1");
  await travel(TENANT, "u-stands", "80.1.1.1");
  await travel(TENANT, "u-erased", "90.1.1.1");
  await travel(TRIAL, "u-shadow", "90.1.1.1");
  await eventually(async () => expect(await trips()).toHaveLength(5));
  const found = await trips();
  const of = (user: string) => found.find(({ user_id }) => user_id === user) as SessionAnomaly;
  expect(of("u-shadow").mode).toBe("SHADOW");
  await publish("id.session.anomaly", `${TENANT}|u-gone`, {
    ...of("u-contradicted"),
    anomaly_id: "of events that are gone",
    user_id: "u-gone",
  });
  await publish("id.subject.erasure", `${TENANT}|u-erased`, {
    erasure_id: "x-1",
    tenant_id: TENANT,
    user_id: "u-erased",
    requested_at: Date.now(),
    actor: { type: "USER", id: "u-erased", impersonator_id: null },
  } satisfies SubjectErasure);

  // The same data again contradicts nothing.
  expect(await rejudge(before)).toMatchObject({ contradicted: 0, events_gone: 1 });
  // Two processes at once, each of which holds one anomaly at a time.
  await Promise.all([rejudge(after, 1), rejudge(after, 1)]);
  const withdrawn = await retractions();
  expect(new Set(withdrawn.map(({ anomaly_id }) => anomaly_id)).size).toBe(3);
  for (const user of ["u-contradicted", NEIGHBOUR, "u-shadow"]) {
    const alarm = of(user);
    const [first, ...others] = withdrawn.filter(({ user_id }) => user_id === user);
    expect(first).toMatchObject({
      retracts: alarm.anomaly_id,
      tenant_id: alarm.tenant_id,
      session_id: alarm.session_id,
      kind: "impossible_travel",
      mode: alarm.mode,
      occurred_at: alarm.occurred_at,
      action: "LOG_ONLY",
    });
    for (const other of others) expect(other.anomaly_id).toBe(first?.anomaly_id);
  }

  // What is withdrawn is not withdrawn again.
  expect(await rejudge(after)).toEqual({ stands: 1, contradicted: 0, events_gone: 1 });
  expect(await retractions()).toHaveLength(withdrawn.length);
});

test("a signal ends it between two slices", async () => {
  const controller = new AbortController();
  controller.abort(new Error("enough"));
  const { signal } = controller;
  const shared = { reader, producer, codecs, rules, prefix: servers.prefix, clock: Date.now };
  await expect(recheck({ ...shared, geoip: after, signal })).rejects.toThrow("enough");
});
