import { silentLogger } from "@vigie/core/log";
import { internalTopic } from "@vigie/schemas/catalogue";
import { openKafka } from "@vigie/stream/kafka/client";
import { CuttingNet } from "@vigie/stream/kafka/testing/cutting-net";
import { type RealKafka, realKafka } from "@vigie/stream/kafka/testing/real-kafka";
import { eventually } from "@vigie/testkit/eventually";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { followCheckpoints } from "./book.ts";
import { type LogKeys, type SignedCheckpoint, signCheckpoint } from "./keys.ts";
import type { SharedPlace } from "./place.ts";
import { logKeys, MemoryTree } from "./testing.ts";
import { CHECKPOINT_TOPIC, newestNote, topicPlace } from "./topic-place.ts";

const net = new CuttingNet();
const keys = logKeys();
let kafka: RealKafka;
const topics: string[] = [];

beforeAll(async () => {
  net.install();
  kafka = await realKafka();
});
afterAll(async () => {
  await kafka.admin.deleteTopics(topics);
  await kafka.close();
  net.uninstall();
});

/** An installation of its own, with its topic. */
async function installation(): Promise<string> {
  const prefix = `${kafka.name()}.`;
  const topic = prefix + CHECKPOINT_TOPIC;
  await kafka.admin.createTopics([{ ...internalTopic(CHECKPOINT_TOPIC), topic }]);
  topics.push(topic);
  return prefix;
}

function open(prefix: string, { origin }: LogKeys = keys, client = kafka.client): SharedPlace {
  const place = topicPlace({ client, prefix, origin });
  onTestFinished(() => place.close());
  return place;
}

async function signed(size: number, by: LogKeys = keys): Promise<SignedCheckpoint> {
  return signCheckpoint(by, await new MemoryTree().grow(size).head());
}

const newest = (prefix: string) =>
  newestNote({ client: kafka.client, prefix, origin: keys.origin });

test("the newest note of an origin is found, however much others wrote behind it", async () => {
  const prefix = await installation();
  const place = open(prefix);
  expect(await place.newest()).toBeNull();
  await place.claim();
  await place.keep(await signed(1));
  await place.keep(await signed(2));
  expect(await place.newest()).toBe((await signed(2)).note);
  const other = logKeys("other.example");
  const others = open(prefix, other);
  await others.claim();
  const note = await signed(1, other);
  for (let i = 0; i < 80; i += 1) await others.keep(note);
  expect(await newest(prefix)).toBe((await signed(2)).note);
  expect(await others.newest()).toBe(note.note);
});

test("the record is the note as it is, under the origin", async () => {
  const prefix = await installation();
  const place = open(prefix);
  await place.claim();
  const checkpoint = await signed(3);
  await place.keep(checkpoint);
  const [record] = await kafka.read(prefix + CHECKPOINT_TOPIC);
  expect(record?.key?.toString()).toBe(keys.origin);
  expect(record?.value?.toString()).toBe(checkpoint.note);
});

test("of two signers the one that claimed last can publish; the other can not, at whatever size", async () => {
  const prefix = await installation();
  const [zombie, next] = [open(prefix), open(prefix)];
  await zombie.claim();
  await zombie.keep(await signed(5));
  await next.claim();
  await expect(zombie.keep(await signed(6))).rejects.toThrow("VIG_PRODUCER_FENCED");
  await next.keep(await signed(7));
  await expect(zombie.keep(await signed(8))).rejects.toThrow();
  expect(await newest(prefix)).toBe((await signed(7)).note);
});

test("a publication in doubt is not tried again once another signer has published", async () => {
  const prefix = await installation();
  const about = { brokers: kafka.brokers, clientId: "zombie", log: silentLogger };
  const client = openKafka({ ...about, requestTimeoutMs: 3_000 });
  // It gives a step up before it can learn by it that it was fenced: so it begins anew, as if it were first.
  const zombie = topicPlace({ client, prefix, origin: keys.origin, stepTimeoutMs: 1_000 });
  onTestFinished(() => zombie.close());
  await zombie.claim();
  await zombie.keep(await signed(5));
  net.freeze();
  const doubtful = zombie.keep(await signed(6));
  doubtful.catch(() => {});
  const next = open(prefix, keys, openKafka({ ...about, clientId: "next" }));
  await next.claim();
  await next.keep(await signed(7));
  await expect(doubtful).rejects.toThrow("VIG_PRODUCER_FENCED");
  expect(await newest(prefix)).toBe((await signed(7)).note);
});

test("who follows the topic knows the newest checkpoint, also after the broker was away", async () => {
  const prefix = await installation();
  const place = open(prefix);
  await place.claim();
  await place.keep(await signed(1));
  const seen: bigint[] = [];
  const onCheckpoint = ({ size }: SignedCheckpoint) => seen.push(size);
  const { client } = kafka;
  const book = followCheckpoints({ client, prefix, keys, log: silentLogger, onCheckpoint });
  onTestFinished(() => book.stop());
  expect(await book.newest()).toBe((await signed(1)).note);
  await place.keep(await signed(2));
  await eventually(() => expect(seen).toEqual([1n, 2n]));
  net.goAway();
  net.comeBack();
  await place.keep(await signed(3));
  await eventually(() => expect(seen.at(-1)).toBe(3n));
  expect(await book.newest()).toBe((await signed(3)).note);
});

test("a topic that does not exist is told of, and read once it does", async () => {
  const prefix = `${kafka.name()}.`;
  const told: string[] = [];
  const book = followCheckpoints({
    client: kafka.client,
    prefix,
    keys,
    log: silentLogger,
    onCheckpoint: () => {},
    onAway: (why) => told.push(why),
  });
  onTestFinished(() => book.stop());
  await eventually(() => expect(told[0]).toContain("VIG_TOPIC_MISSING"));
  const topic = prefix + CHECKPOINT_TOPIC;
  await kafka.admin.createTopics([{ ...internalTopic(CHECKPOINT_TOPIC), topic }]);
  topics.push(topic);
  expect(await book.newest()).toBeNull();
});
