import { beforeEach, expect, test } from "vitest";
import { topicDefinitions } from "./catalogue.ts";
import { provisionTopics, type TopicAdmin } from "./provision.ts";

interface Topic {
  readonly partitions: number;
  readonly configs: Readonly<Record<string, string>>;
}

let topics: Map<string, Topic>;
let admin: TopicAdmin;
const installation = { prefix: "p.", replicationFactor: 1 };
const definitions = topicDefinitions(installation);

/** A broker's memory of topics, with a config of its own on each as a real one has. */
beforeEach(() => {
  topics = new Map();
  admin = {
    async partitionCounts(names) {
      const known = names.filter((name) => topics.has(name));
      return new Map(known.map((name) => [name, (topics.get(name) as Topic).partitions]));
    },
    async createTopics(wanted) {
      const missing = wanted.filter(({ topic }) => !topics.has(topic));
      for (const { topic, partitions, configs = {} } of missing) {
        topics.set(topic, { partitions, configs: { "file.delete.delay.ms": "60000", ...configs } });
      }
      return missing.map(({ topic }) => topic);
    },
    topicConfigs: async (name) => (topics.get(name) as Topic).configs,
    async setTopicConfigs(name, configs) {
      const { partitions, configs: before } = topics.get(name) as Topic;
      topics.set(name, { partitions, configs: { ...before, ...configs } });
    },
  };
});

const nothing = { created: [], configured: [], differing: [] };

test("every topic is created once", async () => {
  const { created } = await provisionTopics(admin, installation);
  expect(created).toEqual(definitions.map(({ topic }) => topic));
  expect(await provisionTopics(admin, installation)).toEqual(nothing);
});

test("a missing topic among existing ones is created", async () => {
  await provisionTopics(admin, installation);
  topics.delete("p.id.audit");
  expect(await provisionTopics(admin, installation)).toEqual({
    ...nothing,
    created: ["p.id.audit"],
  });
});

test("a changed setting is brought back, and others' settings stay", async () => {
  await provisionTopics(admin, installation);
  await admin.setTopicConfigs("p.id.login", { "retention.ms": "1000", "segment.bytes": "7" });
  const { configured } = await provisionTopics(admin, installation);
  expect(configured).toEqual(["p.id.login"]);
  expect(await admin.topicConfigs("p.id.login")).toMatchObject({
    "retention.ms": "604800000",
    "segment.bytes": "7",
  });
});

test("another partition count is told and left alone", async () => {
  topics.set("p.id.login", { partitions: 12, configs: {} });
  const { differing } = await provisionTopics(admin, installation);
  expect(differing).toEqual([{ topic: "p.id.login", wanted: 6, found: 12 }]);
  expect(topics.get("p.id.login")?.partitions).toBe(12);
});
