import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { userKey } from "@vigie/core/keys";
import { silentLogger } from "@vigie/core/log";
import { HOUR_MS, MINUTE_MS } from "@vigie/core/time";
import { physicalName, type TopicName } from "@vigie/schemas/catalogue";
import { type Codecs, openCodecs } from "@vigie/schemas/codecs";
import { provisionTopics, registerSchemas } from "@vigie/schemas/provision";
import type {
  AnomalyLabel,
  GeoPrefs,
  LoginEvent,
  SessionAnomaly,
  SessionPolicy,
  SubjectErasure,
} from "@vigie/schemas/types";
import { createKeysFile } from "@vigie/service-kit/kms/keys-file";
import { openKeys } from "@vigie/service-kit/kms/open-keys";
import { openAdmin } from "@vigie/stream/kafka/admin";
import { openKafka } from "@vigie/stream/kafka/client";
import { type BatchingProducer, openBatchingProducer } from "@vigie/stream/kafka/producer";
import { processEnv } from "@vigie/testkit/process-env";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listHistory, readEvents } from "./history/history-file.ts";
import type { Report } from "./whatif/report.ts";

const TENANT = "acme";
const DISTANCE_KM = 4_197;
const cities = { DAKAR: { lat: 14.7167, lon: -17.4677 }, PARIS: { lat: 48.8566, lon: 2.3522 } };
const START_MS = Date.now() - 24 * HOUR_MS;
const actor = { type: "ADMIN", id: "a-1", impersonator_id: null } as const;

let servers: TestStack;
let directory = "";
let codecs: Codecs;
let producer: BatchingProducer;
let env: Readonly<Record<string, string>> = {};

beforeAll(async () => {
  servers = await stack();
  directory = mkdtempSync(join(tmpdir(), "vigie-whatif-test-"));
  const { prefix, registry, kafka } = servers;
  const keysFile = join(directory, "keys.json");
  createKeysFile(keysFile, 0);
  env = { ...servers.env, VIGIE_KEYS_FILE: keysFile, ...processEnv };
  const client = openKafka({ brokers: [kafka], clientId: "whatif-test", log: silentLogger });
  const admin = await openAdmin(client);
  await provisionTopics(admin, { prefix, replicationFactor: 1 });
  await admin.close();
  await registerSchemas({ registryUrl: registry, prefix });
  codecs = await openCodecs({
    registryUrl: registry,
    prefix,
    cacheDir: join(directory, "schemas"),
    log: silentLogger,
  });
  producer = await openBatchingProducer(client);
  await plant();
});
afterAll(async () => {
  await producer.close();
  codecs.close();
  rmSync(directory, { recursive: true, force: true });
  await servers.close();
});

async function send<V>(topic: TopicName, key: string, value: V): Promise<void> {
  const encoder = codecs.encoder<V>(topic);
  await codecs.ready();
  const bytes = Buffer.from(encoder.encode(value));
  await producer.publish({ topic: physicalName(servers.prefix, topic), key, value: bytes });
}

const login = (user: string, city: keyof typeof cities, atMs: number): LoginEvent => ({
  event_id: `${user}-${city}`,
  tenant_id: TENANT,
  user_id: user,
  occurred_at: Math.round(atMs),
  kind: "AUTH_SUCCESS",
  session_id: `session-${user}-${city}`,
  channel: "MOBILE",
  user_type: "EXTERNAL",
  org_id: null,
  roles: ["customer"],
  login_method: "pin",
  failure_reason: null,
  absolute_expires_at: null,
  network: { ip: "41.82.0.17", user_agent: "Mozilla/5.0 (Linux; Android 14; TECNO CK7n)" },
  device: null,
  location: { source: "GPS", ...cities[city], accuracy_m: 50, country: null, city: null },
  sim: null,
  upstream_session_ref: null,
  source: "test",
});

/** From Dakar to Paris at this speed, the rule's tolerances taken into account. */
async function travel(user: string, kmh: number): Promise<void> {
  const tookMs = (DISTANCE_KM / kmh) * HOUR_MS - MINUTE_MS;
  await send("id.login", userKey(TENANT, user), login(user, "DAKAR", START_MS));
  await send("id.login", userKey(TENANT, user), login(user, "PARIS", START_MS + tookMs));
}

const alarmOf = (user: string): SessionAnomaly => ({
  anomaly_id: `alarm-${user}`,
  tenant_id: TENANT,
  user_id: user,
  session_id: `session-${user}-PARIS`,
  kind: "impossible_travel",
  severity: "HIGH",
  risk_score: 95,
  action: "STEP_UP",
  mode: "ENFORCE",
  occurred_at: START_MS + HOUR_MS,
  detected_at: START_MS + HOUR_MS,
  rule_version: "1",
  policy_version: 3,
  cause_event_ids: [`${user}-DAKAR`, `${user}-PARIS`],
  evidence: {},
  explanation: "",
  retracts: null,
});

async function judged(user: string, label: AnomalyLabel["label"]): Promise<void> {
  const key = userKey(TENANT, user);
  await send("id.session.anomaly", key, alarmOf(user));
  await send<AnomalyLabel>("id.anomaly.label", key, {
    anomaly_id: `alarm-${user}`,
    tenant_id: TENANT,
    user_id: user,
    label,
    note: "somebody's name",
    labelled_at: Date.now(),
    actor,
  });
}

async function plant(): Promise<void> {
  const travellers = { "u-fast": 5_000, "u-jet": 800, "u-plane": 650, "u-erased": 5_000 };
  for (const [user, kmh] of Object.entries(travellers)) await travel(user, kmh);
  await send<GeoPrefs>("id.geo.prefs", userKey(TENANT, "u-plane"), {
    tenant_id: TENANT,
    user_id: "u-plane",
    gps_opt_in: true,
    precision: 3,
    updated_at: START_MS,
  });
  await judged("u-fast", "TRUE_POSITIVE");
  await judged("u-jet", "FALSE_POSITIVE");
  await send<SubjectErasure>("id.subject.erasure", userKey(TENANT, "u-erased"), {
    erasure_id: "x-1",
    tenant_id: TENANT,
    user_id: "u-erased",
    requested_at: Date.now(),
    actor,
  });
  await send<SessionPolicy>("id.session.policy", TENANT, {
    tenant_id: TENANT,
    version: 3,
    updated_at: START_MS,
    actor,
    document: JSON.stringify({ impossible_travel: { kmh_threshold: 900 } }),
  });
}

const run = promisify(execFile);

/** Returns: what it printed. Rejects with its errors when it exits otherwise than with 0. */
const script = async (name: string, ...args: readonly string[]): Promise<string> => {
  const file = join(import.meta.dirname, name);
  const { stdout } = await run(process.execPath, [file, ...args], { env, cwd: directory });
  return stdout;
};

function policyFile(document: object): string {
  const path = join(directory, `policy-${Object.keys(document).length}.json`);
  writeFileSync(path, JSON.stringify(document));
  return path;
}

const FILES = ["whatif.json", "whatif.en.html", "whatif.fr.html"] as const;
const bytesOf = (out: string): readonly string[] =>
  FILES.map((file) => readFileSync(join(directory, out, file), "utf8"));
const reportOf = (out: string): Report => JSON.parse(bytesOf(out)[0] ?? "") as Report;

/** Each starts processes of its own, some of them several. */
const slow = { timeout: 180_000 };

describe("a limit of 700 km/h instead of 900", slow, () => {
  const tried = { impossible_travel: { kmh_threshold: 700 } };

  test("gains exactly the trip at 800, from the topics and from files alike, byte for byte", async () => {
    const policy = policyFile(tried);
    const of = ["--policy", policy, "--tenant", TENANT];
    await script("whatif.ts", ...of, "--out", "from-topics");
    const said = await script("history-export.ts", "--out", "history");
    expect(said).toMatch(/^6 events .* 2 events of people who were erased/);
    await script("whatif.ts", ...of, "--history", "history", "--out", "from-files");
    await script("whatif.ts", ...of, "--history", "history", "--out", "again");
    expect(bytesOf("from-files")).toEqual(bytesOf("from-topics"));
    expect(bytesOf("again")).toEqual(bytesOf("from-files"));

    const keys = await openKeys({
      VIGIE_KEYS_FILE: join(directory, "keys.json"),
      VIGIE_KMS_ENDPOINT: null,
    });
    const kept = listHistory(join(directory, "history")).filter(
      ({ head }) => head.kind === "events",
    );
    const consented = kept.flatMap((file) =>
      [...readEvents(file, keys, () => null)].filter(({ precision }) => precision === 3),
    );
    const lats = consented.map(({ value }) => value.location?.lat?.toFixed(2));
    expect(lats).toEqual(["14.77", "48.52"]);

    const report = reportOf("from-files");
    expect(report.alarms).toEqual({ current: 1, candidate: 2, gained: 1, lost: 0, changed: 0 });
    expect(report.policies).toMatchObject({ key: TENANT, version: 3, candidate: tried });
    expect(report.gained).toMatchObject([
      { kind: "impossible_travel", current: null, candidate: { action: "STEP_UP" } },
    ]);
    expect(report.labels).toMatchObject({
      judged_true: 1,
      judged_false: 1,
      current: { true_positives: 1, false_positives: 0, precision: 1, recall: 1 },
      candidate: { true_positives: 1, false_positives: 1, precision: 0.5, recall: 1 },
    });
  });

  test("no name, address or device of anybody is in the files or in the report", () => {
    const all = readdirSync(directory, { recursive: true, encoding: "utf8" });
    const made = all.filter((name) => /^(history|from-files).*\.(history|json|html)$/.test(name));
    expect(made.length).toBeGreaterThan(FILES.length);
    for (const name of made) {
      const text = readFileSync(join(directory, name), "latin1");
      for (const secret of ["u-fast", "u-jet", "41.82", "TECNO", "session-u", "somebody"]) {
        expect(text.includes(secret), `${secret} in ${name}`).toBe(false);
      }
    }
  });

  test("with REVOKE the sessions are counted that would have ended", async () => {
    const policy = policyFile({ ...tried, rules: { impossible_travel: { action: "REVOKE" } } });
    const of = ["--policy", policy, "--tenant", TENANT, "--history", "history"];
    await script("whatif.ts", ...of, "--out", "revoke");
    const report = reportOf("revoke");
    expect(report.alarms).toMatchObject({ gained: 1, lost: 0, changed: 1 });
    expect(report.revoked_sessions).toMatchObject({ current: 0, candidate: 2, gained: 2 });
  });
});

test("what is wrong with the arguments is said with a code", slow, async () => {
  const wrong = policyFile({ impossible_travel: { kmh_threshold: 7 }, rules: {}, nope: 1 });
  const good = policyFile({});
  const fails = (name: string, ...args: readonly string[]) =>
    script(name, ...args).then(
      () => "",
      ({ stderr }: { readonly stderr: string }) => stderr.split("\n")[0],
    );
  expect(await fails("whatif.ts", "--policy", wrong, "--history", "history")).toMatch(
    /^VIG_POLICY_INVALID: 2 faults.*kmh_threshold.*nope/,
  );
  expect(await fails("whatif.ts", "--policy", "missing.json")).toMatch(/^VIG_ARGUMENT_INVALID/);
  expect(await fails("whatif.ts", "--policy", good, "--from", "2026-13-01")).toMatch(
    /^VIG_ARGUMENT_INVALID: --from/,
  );
  expect(await fails("whatif.ts", "--policy", good, "--history", "nowhere")).toMatch(
    /^VIG_HISTORY_EMPTY/,
  );
  expect(
    await fails("whatif.ts", "--policy", good, "--history", "history", "--tenant", "globex"),
  ).toMatch(/^VIG_HISTORY_EMPTY.*globex/);
  expect(
    await fails("history-export.ts", "--out", "x", "--from", "2026-11-21", "--to", "2026-11-20"),
  ).toMatch(/^VIG_ARGUMENT_INVALID: --to/);
});
