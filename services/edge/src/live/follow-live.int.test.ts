import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@vigie/core/log";
import type { TopicName } from "@vigie/schemas/catalogue";
import { type Codecs, openCodecs } from "@vigie/schemas/codecs";
import { followTopics } from "@vigie/service-kit/follow-topics";
import { noRateLimit } from "@vigie/service-kit/http/rate-limit";
import { uuidOf } from "@vigie/service-kit/ids";
import type { KeptFollowing } from "@vigie/service-kit/keep-following";
import type { EventOutput } from "@vigie/service-kit/output/event-output";
import { kafkaOutput } from "@vigie/service-kit/output/kafka-output";
import { openBatchingProducer } from "@vigie/stream/kafka/producer";
import { eventually } from "@vigie/testkit/eventually";
import { type ServiceStack, serviceStack } from "@vigie/testkit/service-stack";
import { afterAll, beforeAll, test } from "vitest";
import { excessLogins } from "../ingest/excess-logins.ts";
import { testEdge } from "../test-edge.ts";
import { issued, issuerAuth } from "../test-tokens.ts";
import { excessTakers, followWhileNeeded, liveTakers } from "./follow-live.ts";
import { Hub } from "./hub.ts";
import { anomaly, connect, epoch, revocation, state } from "./test-client.ts";

let servers: ServiceStack;
let codecs: Codecs;
let output: EventOutput;
let cacheDir: string;
let following: readonly KeptFollowing[] = [];
const excess = excessLogins({
  limiter: noRateLimit,
  clock: () => 0,
  loginsPerMinute: 1,
  limitMs: 1,
});
const noted: string[] = [];
const hub = new Hub();
const edge = { ...testEdge({ auth: issuerAuth, hub }), hub };

beforeAll(async () => {
  servers = await serviceStack();
  const { registry: registryUrl, prefix, client } = servers;
  cacheDir = mkdtempSync(join(tmpdir(), "vigie-live-"));
  codecs = await openCodecs({ registryUrl, prefix, cacheDir, log: silentLogger });
  for (const topic of topics) codecs.encoder(topic);
  await codecs.ready();
  output = kafkaOutput(await openBatchingProducer(client), prefix);
  const note: typeof excess.note = (each) => noted.push(each.anomaly_id);
  const begun = Promise.withResolvers<void>();
  const shared = { client, prefix, codecs, log: silentLogger };
  const followingExcess = followTopics({
    ...shared,
    takers: excessTakers({ ...excess, note }),
    name: "excess",
    onFollowing: (isFollowing) => (isFollowing ? begun.resolve() : undefined),
  });
  const followingLive = followWhileNeeded(edge.hub, (onFollowing) => {
    starts += 1;
    return followTopics({ ...shared, takers: liveTakers(edge.hub), name: "live", onFollowing });
  });
  following = [followingExcess, followingLive];
  await begun.promise;
});
afterAll(async () => {
  await Promise.all(following.map((each) => each.stop()));
  await edge.app.close();
  await output?.close();
  codecs?.close();
  await servers?.close();
  rmSync(cacheDir, { recursive: true, force: true });
});

let starts = 0;
const topics = [
  "id.session.state",
  "id.session.anomaly",
  "id.session.revoked",
  "id.session.epoch",
] as const satisfies readonly TopicName[];

const publish = (topic: (typeof topics)[number], key: string, value: object) =>
  output.publish({ topic, key, value: codecs.encoder<object>(topic).encode(value) });

test("without a stream nothing of sessions is read; from hello on nothing is missed", async () => {
  await publish("id.session.state", "acme|u-1|s-0", state({ session_id: "s-0" }));
  assert.equal(starts, 0);
  const client = await connect(edge, { type: "auth", token: await issued({ scope: "" }) });
  await client.told(1);
  assert.equal(starts, 1);
  await publish("id.session.state", "acme|u-1|s-2", state({ session_id: "s-2" }));
  const [, told] = await client.told(2);
  assert.equal(told?.session_id, uuidOf("acme", "session", "s-2"));
  client.socket.close();
  await client.ended;
});

test("what lies in Kafka from now on reaches a stream within a second, and ends it", async () => {
  const token = await issued({ scope: "" });
  const client = await connect(edge, { type: "auth", token });
  await client.told(1);
  await publish("id.session.state", "acme|u-1|s-2", state({ session_id: "s-2" }));
  await publish("id.session.state", "acme|u-2|s-3", state({ user_id: "u-2", session_id: "s-3" }));
  await publish("id.session.anomaly", "acme|u-1", anomaly());
  await publish("id.session.epoch", "acme|ORG|pay", epoch({ scope: "ORG", value: "pay" }));
  await client.told(3);
  const sentMs = performance.now();
  await publish("id.session.revoked", "acme|u-1", revocation());
  assert.deepEqual(await client.ended, [4_401, "VIG_SESSION_ENDED"]);
  assert.ok(performance.now() - sentMs < 1_000);
  const kinds = client.messages.map(({ type }) => type);
  assert.deepEqual([...kinds].sort(), ["anomaly", "hello", "revocation", "session"]);
});

test("an epoch ends the streams of the sessions that it covers", async () => {
  const client = await connect(edge, { type: "auth", token: await issued({ scope: "" }) });
  await client.told(1);
  await publish(
    "id.session.epoch",
    "acme|CHANNEL|MOBILE",
    epoch({ scope: "CHANNEL", value: "MOBILE" }),
  );
  assert.deepEqual(await client.ended, [4_401, "VIG_SESSION_ENDED"]);
});

test("anomalies are heard of also while nobody listens", async () => {
  await publish("id.session.anomaly", "acme|u-7", anomaly({ user_id: "u-7", anomaly_id: "a-7" }));
  await eventually(() => assert.ok(noted.includes("a-7")));
});
