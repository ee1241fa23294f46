import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createIssuer } from "@vigie/testkit/issuer";
import { stack } from "@vigie/testkit/stack";
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  Kafka,
  logLevel,
  ResourcePatternTypes,
} from "kafkajs";
import { afterAll, beforeAll, test } from "vitest";
import { encodeHeartbeat } from "./support/avro.ts";
import { passwordOf, saslOf, startGuardedBroker } from "./support/guarded-broker.ts";
import { leastRights, provisioning, SERVICES, userOf } from "./support/kafka-rights.ts";
import { makeKeys } from "./support/keys.ts";
import {
  createService,
  run,
  runScript,
  type ServiceName,
  type ServiceProcess,
} from "./support/processes.ts";
import { until, untilTrue } from "./support/until.ts";

/** All of Vigie on a broker where each service has the rights of docs/operations.md and no other. */

const SCENARIO = "scenario";
const PROVISION = "provision";
const servers = await stack();
const rights = leastRights(servers.prefix);
const users = new Set([
  SCENARIO,
  PROVISION,
  ...rights.map(({ principal }) => principal.slice("User:".length)),
]);
const broker = await startGuardedBroker([...users]);
const directory = mkdtempSync(join(tmpdir(), "vigie-rights-"));
const issuer = createIssuer();
const env = {
  ...servers.env,
  KAFKA_BROKERS: broker.address,
  ...makeKeys(directory).env,
  JWT_PUBLIC_KEY: issuer.publicKeyPem,
};
const services: ServiceProcess[] = [];

const clientOf = (user: string): Kafka =>
  new Kafka({
    clientId: user,
    brokers: [broker.address],
    logLevel: logLevel.NOTHING,
    retry: { retries: 1 },
    sasl: { mechanism: "plain", username: user, password: passwordOf(user) },
  });
const admin = clientOf("admin").admin();

/** The scenario sends as upstream services do and reads as the risk engine does. */
const ofScenario = rights
  .filter(({ principal }) => ["User:upstream", "User:SIRA"].includes(principal))
  .map((right) => ({ ...right, principal: `User:${SCENARIO}` }));

beforeAll(async () => {
  await admin.connect();
  await admin.createAcls({ acl: [...provisioning(servers.prefix), ...rights, ...ofScenario] });
  await untilTrue("the rights hold", async () => (await heldBy(SCENARIO)) === ofScenario.length);
  await runScript("scripts/provision.ts", { ...env, ...saslOf(PROVISION) });
  for (const name of SERVICES) {
    const own = { ...env, ...saslOf(name), VIGIE_STATE_DIR: join(directory, "state", name) };
    services.push(await createService({ name, env: own, directory }));
  }
  await Promise.all(services.map((service) => service.start()));
});
afterAll(async () => {
  await Promise.all(services.map((service) => service.kill()));
  await admin.disconnect();
  await broker.close();
  await servers.close();
  rmSync(directory, { recursive: true, force: true });
});

/** How many rights the broker knows of a user; those of the last request hold last. */
async function heldBy(user: string): Promise<number> {
  const { resources } = await admin.describeAcls({
    principal: `User:${user}`,
    resourceType: AclResourceTypes.TOPIC,
    resourcePatternType: ResourcePatternTypes.ANY,
    operation: AclOperationTypes.ANY,
    permissionType: AclPermissionTypes.ANY,
  });
  return resources.reduce((sum, { acls }) => sum + acls.length, 0);
}

const urlOf = (wanted: ServiceName): string =>
  services.find(({ name }) => name === wanted)?.url ?? "";
const endOf = async (topic: string): Promise<number> => {
  const ends = await admin.fetchTopicOffsets(servers.prefix + topic);
  return ends.reduce((sum, { high }) => sum + Number(high), 0);
};

test("with the rights that the catalogue says, and no others, the whole scenario runs", async () => {
  const { code, text } = await run(["scripts/demo.ts"], {
    ...env,
    ...saslOf(SCENARIO),
    JWT_PRIVATE_KEY: issuer.privateKeyPem,
    VIGIE_EDGE_URL: urlOf("edge"),
  });
  assert.equal(
    code,
    0,
    `${text}\n${services.map((each) => each.output().slice(-1_500)).join("\n")}`,
  );
  await untilTrue("a checkpoint is signed", async () => (await endOf("id.audit.checkpoint")) > 0);
});

test("a person's choice goes out by geo, and no part of any service is down", async () => {
  const claims = { tenant_id: "molam-sn", sub: "rights-1", sid: "s-rights-1" };
  const send = (url: string, method: string, token: object, body: object) =>
    fetch(url, {
      method,
      headers: {
        authorization: `Bearer ${issuer.token({ ...claims, ...token })}`,
        "content-type": "application/json",
      },
      body: JSON.stringify(body),
    });
  const service = { sub: "gateway", sid: undefined, scope: "events:write" };
  const login = { user_id: claims.sub, session_id: claims.sid, kind: "AUTH_SUCCESS" };
  const event = { ...login, channel: "WEB", occurred_at: Date.now() };
  const signedIn = await send(`${urlOf("edge")}/v1/events/login`, "POST", service, event);
  assert.equal(signedIn.status, 202, await signedIn.text());
  const before = await endOf("id.geo.prefs");
  await untilTrue("a choice is taken", async () => {
    const own = { scope: "", user_type: "EXTERNAL" };
    const prefs = { precisionLevel: "region" };
    return (await send(`${urlOf("geo")}/v1/geo/prefs`, "PUT", own, prefs)).status === 200;
  });
  await untilTrue("it is told", async () => (await endOf("id.geo.prefs")) > before);
  for (const each of services) {
    await until(`${each.name} has all its parts`, async () => {
      assert.deepEqual(await each.partsDown(), [], each.output().slice(-3_000));
      return true;
    });
  }
});

test("what nobody can use goes to the dead letters, and what lies in a wrong partition is sent on", async () => {
  const producer = clientOf(SCENARIO).producer();
  await producer.connect();
  const topic = `${servers.prefix}id.heartbeat`;
  const readers = 3;
  const deadBefore = await endOf("id.heartbeat.dlq");
  await producer.send({ topic, messages: [{ key: "molam-sn|u-1", value: "no Avro" }] });
  await untilTrue("each reader puts it aside", async () => {
    return (await endOf("id.heartbeat.dlq")) >= deadBefore + readers;
  });

  const schema = `${servers.registry}/subjects/${servers.prefix}id.heartbeat-value/versions/latest`;
  const { id } = (await (await fetch(schema)).json()) as { id: number };
  const event = { eventId: "misrouted", tenantId: "molam-sn", userId: "u-1", sessionId: "s-1" };
  const value = encodeHeartbeat(id, { ...event, occurredAt: Date.now() });
  const before = await endOf("id.heartbeat");
  const messages = [0, 1].map((partition) => ({ key: "molam-sn|u-1", value, partition }));
  await producer.send({ topic, messages });
  // One of the two at least lies in a partition that is not its own.
  await untilTrue(
    "it is sent on",
    async () => (await endOf("id.heartbeat")) > before + messages.length,
  );
  await producer.disconnect();
});

test("AUD-01: nobody but the audit sink writes checkpoints, or takes the signer's place", async () => {
  const topic = `${servers.prefix}id.audit.checkpoint`;
  const transactionalId = `${servers.prefix}vigie.audit-signer`;
  for (const user of users) {
    const plain = clientOf(user).producer();
    await plain.connect();
    const message = { key: "vigie-audit", value: "vigie-audit\n0\nforged\n" };
    const tried = await Promise.allSettled([
      plain.send({ topic, messages: [message] }),
      takePlace(clientOf(user), transactionalId),
    ]);
    const outcomes = tried.map((each) =>
      each.status === "fulfilled" ? "done" : String(each.reason),
    );
    if (user === userOf("audit-sink")) assert.deepEqual(outcomes, ["done", "done"]);
    else {
      assert.match(outcomes[0] ?? "", /Not authorized to access topics/, user);
      // The last is the library's word for a transactional id that one may not use.
      assert.match(outcomes[1] ?? "", /authoriz|Failed to find group coordinator/, user);
    }
    await plain.disconnect();
  }
});

/** Begins a transaction as the signer does, which ends whatever the signer has begun. */
async function takePlace(client: Kafka, transactionalId: string): Promise<void> {
  const producer = client.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 });
  try {
    await producer.connect();
    await (await producer.transaction()).abort();
  } finally {
    await producer.disconnect();
  }
}
