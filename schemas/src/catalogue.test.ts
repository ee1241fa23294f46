import { checkPolicy } from "@vigie/core/policy";
import { HOUR_MS } from "@vigie/core/time";
import { expect, test } from "vitest";
import {
  changelogs,
  internals,
  isTopicName,
  subjectOf,
  topicDefinitions,
  topicNames,
  topics,
  VALUE_MAX_BYTES,
} from "./catalogue.ts";
import { loadContracts } from "./contracts.ts";

test("every contract has its topic and every topic its contract", () => {
  expect([...topicNames].sort()).toEqual([...loadContracts().keys()].sort());
});

test("all inputs of one processor have the same partition count", () => {
  for (const service of ["detector", "sessions"]) {
    const inputs = topicNames.filter((name) =>
      (topics[name].readBy as readonly string[]).includes(service),
    );
    expect(inputs.length).toBeGreaterThan(3);
    expect(new Set(inputs.map((name) => topics[name].partitions)).size).toBe(1);
    const changelog = changelogs[`vigie.${service}.changelog` as keyof typeof changelogs];
    expect(changelog.partitions).toBe(topics[inputs[0] as (typeof topicNames)[number]].partitions);
  }
});

test("physical names carry the prefix, and each topic has dead letters", () => {
  const names = topicDefinitions({ prefix: "t1." }).map((definition) => definition.topic);
  const others = Object.keys(changelogs).length + Object.keys(internals).length;
  // Of the internal topics one is an input, which has dead letters.
  expect(names).toHaveLength(2 * topicNames.length + others + 1);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toContain("t1.id.login");
  expect(names).toContain("t1.id.login.dlq");
  expect(names).toContain("t1.vigie.detector.changelog");
  expect(subjectOf("t1.", "id.login")).toBe("t1.id.login-value");
});

test("a state by address is kept in as many partitions as what it is made of", () => {
  const { partitions } = internals["vigie.detector.tries"];
  expect(changelogs["vigie.detector-spray.changelog"].partitions).toBe(partitions);
  expect(internals["vigie.detector.tries"].keep).toEqual(topics["id.login"].keep);
});

test("a dead letter can lie in the partition in which it came", () => {
  const partitions = new Map(topicDefinitions({ prefix: "" }).map((d) => [d.topic, d.partitions]));
  for (const topic of topicNames) {
    expect(partitions.get(`${topic}.dlq`)).toBe(partitions.get(topic));
  }
});

const configsOf = (topic: string) =>
  topicDefinitions({ prefix: "", replicationFactor: 3 }).find((d) => d.topic === topic)?.configs;

test("events are kept for seven days by append time", () => {
  expect(configsOf("id.login")).toMatchObject({
    "message.timestamp.type": "LogAppendTime",
    "cleanup.policy": "delete",
    "retention.ms": "604800000",
    "min.insync.replicas": "2",
  });
});

test("compacted topics are compacted and rolled within a day", () => {
  const compacted = ["id.session.state", "id.session.policy", "vigie.sessions.changelog"];
  for (const topic of compacted) {
    expect(configsOf(topic)).toMatchObject({
      "cleanup.policy": "compact",
      "max.compaction.lag.ms": "86400000",
      "segment.ms": "86400000",
    });
  }
});

test("AUD-01: every checkpoint of 30 days is there to be compared, and the newest for ever", () => {
  expect(configsOf("id.audit.checkpoint")).toMatchObject({
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": "2592000000",
    "max.compaction.lag.ms": "2678400000",
  });
});

test("a revocation outlives every session that it ends", () => {
  const keptHours = topics["id.session.revoked"].keep.retentionMs / HOUR_MS;
  const faults = (hours: number) => checkPolicy({ absolute_timeout: { hours } }).faults;
  expect(faults(keptHours)).toHaveLength(1);
  expect(faults(keptHours - 24)).toBeUndefined();
});

test("what came in fits among the dead letters, and the largest value into its topic", () => {
  const bytes = (topic: string) => Number(configsOf(topic)?.["max.message.bytes"]);
  expect(bytes("id.login.dlq")).toBeGreaterThan(bytes("id.login"));
  expect(bytes("id.login")).toBeGreaterThan(2 * VALUE_MAX_BYTES);
});

test("a name out of the catalogue is none of its topics", () => {
  expect(isTopicName("id.login")).toBe(true);
  for (const name of ["id.nope", "toString", "__proto__", ""])
    expect(isTopicName(name)).toBe(false);
});
