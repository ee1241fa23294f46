import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { asyncapiDocument, OUTSIDERS, publicTopics } from "./asyncapi.ts";
import { topicNames, topics } from "./catalogue.ts";
import { loadContracts } from "./contracts.ts";
import { yamlOf } from "./yaml.ts";

const file = new URL("../../docs/asyncapi.yaml", import.meta.url);
const page = readFileSync(file, "utf8");

test("docs/asyncapi.yaml is what catalogue and contracts make it", () => {
  expect(page).toBe(yamlOf(asyncapiDocument(loadContracts())));
});

test("a contract or a topic that is left out changes it", () => {
  const contracts = new Map(loadContracts());
  contracts.delete("id.session.anomaly");
  expect(page).not.toBe(yamlOf(asyncapiDocument(contracts)));
});

test("whoever writes or reads a topic is one of ours, or stands outside", () => {
  const services = readdirSync(new URL("../../services", import.meta.url));
  // Operators are people of ours: what they do by command is on record.
  const ours = new Set([...services, "all", "operators", ...OUTSIDERS]);
  const named = topicNames.flatMap((topic) => [
    ...topics[topic].writtenBy,
    ...topics[topic].readBy,
  ]);
  expect(named.filter((name) => !ours.has(name))).toEqual([]);
});

test("it has what the systems outside need, and nothing of ours alone", () => {
  for (const topic of ["id.session.anomaly", "id.session.revoked", "id.risk.decision"] as const) {
    expect(publicTopics).toContain(topic);
  }
  for (const topic of ["id.audit", "id.session.command", "id.session.state"] as const) {
    expect(publicTopics).not.toContain(topic);
  }
});

test("every contract that it refers to is where it says, and every place within it exists", () => {
  const refs = [...page.matchAll(/\$ref: "([^"]+)"/g)].map(([, ref = ""]) => ref);
  expect(refs.length).toBeGreaterThan(publicTopics.length);
  for (const ref of refs) {
    if (ref.startsWith("#")) expect(page).toContain(`  ${ref.split("/").at(-1)}:\n`);
    else expect(existsSync(new URL(ref, file)), ref).toBe(true);
  }
});

test("YAML: what is empty and what has signs in it stays what it is", () => {
  expect(yamlOf({ a: [], b: {}, "c d": 'x: "y"\n', "e.f": [1, { g: true }] })).toBe(
    'a: []\nb: {}\n"c d": "x: \\"y\\"\\n"\ne.f:\n  - 1\n  -\n    g: true\n',
  );
});
