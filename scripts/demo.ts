import { messageOf } from "@vigie/core/errors";
import type { LoginEvent, SessionAnomaly } from "@vigie/schemas/types";
import { loadConfig, url } from "@vigie/service-kit/config";
import {
  databaseConfig,
  kafkaConfig,
  redisConfig,
  registryConfig,
} from "@vigie/service-kit/shared-config";
import {
  type Cast,
  createCast,
  DAKAR,
  heartbeat,
  login,
  mfa,
  onForeignMachine,
  PARIS,
  type Person,
  TRAVEL_MS,
} from "./demo/cast.ts";
import { type EdgeClient, openEdge } from "./demo/edge.ts";
import { type Held, openStores, type Stores } from "./demo/stores.ts";
import { openTopics, type Topics } from "./demo/topics.ts";
import { waitFor } from "./demo/wait.ts";

const demoConfig = {
  ...kafkaConfig,
  ...registryConfig,
  ...databaseConfig,
  ...redisConfig,
  VIGIE_EDGE_URL: url({ about: "base of the edge", schemes: ["http", "https"] }),
};

/** Source: CNF-13: five failures within an hour are allowed, the sixth fires. */
const FAILURES = 6;
const FAILURES_APART_MS = 20_000;
/** Far above what it takes, so that a slow machine is no failure. */
const DEADLINE_MS = 60_000;

const say = (text: string): void => console.log(text === "" ? "" : `  ${text}`);

/** A finding, and how long after its last cause was acknowledged it could be read. */
interface Seen {
  readonly anomaly: SessionAnomaly;
  readonly atMs: number;
}

/** Ordinary days: five people sign in and stay; three of them through the edge. */
async function ordinaryPeople(cast: Cast, edge: EdgeClient, topics: Topics): Promise<number> {
  const nowMs = Date.now();
  await Promise.all(
    cast.others.map(async (person, index) => {
      const overHttp = index % 2 === 0;
      const first = login(person, nowMs - 60_000);
      const later = [heartbeat(person, nowMs - 30_000), heartbeat(person, nowMs)];
      if (overHttp) {
        await edge.send("login", first);
        for (const event of later) await edge.send("heartbeat", event);
      } else {
        await topics.send("id.login", first);
        for (const event of later) await topics.send("id.heartbeat", event);
      }
    }),
  );
  return 3 * cast.others.length;
}

/** ANO-03: Dakar over HTTP, Paris 30 minutes later as Avro. Returns: when the cause was complete. */
async function impossibleTrip({ moussa, intruder }: Cast, edge: EdgeClient, topics: Topics) {
  const nowMs = Date.now();
  const there: LoginEvent = { ...login(moussa, nowMs - TRAVEL_MS), location: DAKAR };
  const here: LoginEvent = { ...login(intruder, nowMs), location: PARIS };
  await edge.send("login", there);
  await edge.send("mfa", mfa(moussa, nowMs - TRAVEL_MS + 5_000, "SUCCESS"));
  await topics.send("id.login", here);
  return performance.now();
}

async function changedFingerprint({ aminata }: Cast, edge: EdgeClient, topics: Topics) {
  const nowMs = Date.now();
  await topics.send("id.login", login(aminata, nowMs - 90_000));
  await edge.send("heartbeat", heartbeat(onForeignMachine(aminata), nowMs));
  return performance.now();
}

async function bruteForce({ jean }: Cast, edge: EdgeClient) {
  const nowMs = Date.now();
  await edge.send("login", login(jean, nowMs - FAILURES * FAILURES_APART_MS - 1_000));
  for (let left = FAILURES - 1; left >= 0; left--) {
    await edge.send("mfa", mfa(jean, nowMs - left * FAILURES_APART_MS, "FAIL"));
  }
  return performance.now();
}

async function run(edge: EdgeClient, topics: Topics, stores: Stores): Promise<void> {
  const cast = createCast();
  const startedMs = performance.now();
  const seen = new Map<string, Seen>();
  const note = (anomaly: SessionAnomaly): void => {
    const mine = anomaly.user_id.endsWith(cast.moussa.userId.slice(-5));
    if (mine) seen.set(anomaly.kind, { anomaly, atMs: performance.now() });
  };
  await topics.follow(note);
  say("");
  say("The scenario: eight people in Senegal, Côte d'Ivoire and France,");
  say("over HTTP through the edge and as Avro straight into Kafka.");
  say("");
  await ordinaryPeople(cast, edge, topics);
  const causes: readonly (readonly [string, Person, Promise<number>, string])[] = [
    [
      "impossible_travel",
      cast.moussa,
      impossibleTrip(cast, edge, topics),
      "signs in from Dakar, and half an hour later from Paris",
    ],
    [
      "fingerprint_mismatch",
      cast.aminata,
      changedFingerprint(cast, edge, topics),
      "goes on with her session from a phone that has become a Windows machine",
    ],
    [
      "bruteforce",
      cast.jean,
      bruteForce(cast, edge),
      `gets the second factor wrong ${FAILURES} times in two minutes`,
    ],
  ];
  for (const [kind, person, sent, story] of causes) {
    const sentMs = await sent;
    say(`${person.userId} (${person.tenantId}) ${story}`);
    const found = await waitFor(() => seen.get(kind), {
      what: `${kind} of ${person.userId} on id.session.anomaly`,
      deadlineMs: DEADLINE_MS,
    });
    tellFinding(found, Math.max(1, found.atMs - sentMs));
  }
  await tellStores(cast, stores, startedMs);
  const answers = [...edge.answersMs].sort((a, b) => a - b);
  const medianMs = answers[Math.floor(answers.length / 2)] ?? 0;
  say(
    `Edge        ${answers.length} events accepted by the broker, median ${medianMs.toFixed(1)} ms`,
  );
}

function tellFinding({ anomaly }: Seen, afterMs: number): void {
  const { kind, severity, risk_score, action, explanation } = anomaly;
  say(
    `  → ${kind}  ${severity}, risk ${risk_score}, ${action}; readable after ${afterMs.toFixed(0)} ms`,
  );
  say(`    ${explanation}`);
  say("");
}

async function tellStores(cast: Cast, stores: Stores, startedMs: number): Promise<void> {
  const staying = [cast.intruder, cast.aminata, cast.jean, ...cast.others];
  // Moussa's own session has been silent for its half hour, so it may have run out meanwhile.
  const sessions = [cast.moussa, ...staying];
  // Those that were told are HIGH, so they are audited; besides them, the device that moussa is not known with.
  const TOLD = 3;
  const FOUND = TOLD + 1;
  let held: Held = await stores.count(sessions);
  const complete = (counts: Held): boolean =>
    counts.sessions === sessions.length &&
    counts.anomalies >= FOUND &&
    counts.live >= staying.length &&
    counts.audited >= TOLD &&
    counts.proven >= TOLD;
  await waitFor(
    async () => {
      held = await stores.count(sessions);
      return complete(held) ? held : undefined;
    },
    {
      what: "all sessions, anomalies and audit entries in the stores",
      deadlineMs: DEADLINE_MS,
      state: () => JSON.stringify(held),
    },
  );
  const afterS = ((performance.now() - startedMs) / 1_000).toFixed(1);
  say(`${afterS} s after the first event the stores hold all of it:`);
  say(
    `PostgreSQL  ${held.sessions} sessions, ${held.activities} activities, ${held.anomalies} anomalies`,
  );
  say(`Redis       ${held.live} live sessions`);
  say(`Audit       ${held.audited} entries, in a log of which ${held.proven} are signed for`);
}

const config = loadConfig(demoConfig, process);
const [topics, stores] = [await openTopics(config), openStores(config)];
try {
  await run(openEdge(config.VIGIE_EDGE_URL), topics, stores);
} catch (error) {
  console.error(`The scenario did not come to its end: ${messageOf(error)}`);
  process.exitCode = 1;
} finally {
  await Promise.all([topics.close(), stores.close()]);
}
