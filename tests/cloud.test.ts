import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { openAwsKms } from "@vigie/service-kit/kms/aws-kms";
import { createKeysFile, FIRST_KEY_ID } from "@vigie/service-kit/kms/keys-file";
import { startFakeKms } from "@vigie/service-kit/testing/fake-kms";
import { startFakeS3 } from "@vigie/service-kit/testing/fake-s3";
import { afterAll, test, vi } from "vitest";
import { run } from "./support/processes.ts";
import { inRedis } from "./support/read-model.ts";
import { testPipeline } from "./support/test-pipeline.ts";
import { until, untilTrue } from "./support/until.ts";

/** Vigie with its master keys wrapped by KMS and its audit log published in a bucket; both speak as AWS's do. */

const kms = await startFakeKms();
const s3 = await startFakeS3();
const folder = mkdtempSync(join(tmpdir(), "vigie-cloud-"));
const keysFile = join(folder, "keys.json");
// Both know the same one.
const credentials = {
  AWS_ACCESS_KEY_ID: kms.credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: kms.credentials.secretAccessKey,
};
for (const [name, value] of Object.entries(credentials)) vi.stubEnv(name, value);
const client = openAwsKms({ endpoint: kms.url });
createKeysFile(keysFile, 0, await client.generate(kms.key, FIRST_KEY_ID));
client.close();

const { pipeline, events } = await testPipeline(
  ["edge", "detector", "sessions", "session-cache", "audit-sink"],
  {
    ...credentials,
    VIGIE_KEYS_FILE: keysFile,
    VIGIE_KMS_ENDPOINT: kms.url,
    AUDIT_TILES_URL: `s3://${s3.bucket}/log`,
    AUDIT_S3_ENDPOINT: s3.url,
    AUDIT_S3_REGION: s3.region,
  },
);
afterAll(async () => {
  await Promise.all([kms.close(), s3.close()]);
  rmSync(folder, { recursive: true, force: true });
});

const admin = { sub: "console", scope: "id:admin" };
const countSessions = (): Promise<Response> =>
  fetch(`${pipeline.service("edge").url}/api/id/admin/sessions/revoke`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${pipeline.token(admin)}`,
      "content-type": "application/json",
    },
    body: JSON.stringify({ filter: { user_id: "u-cloud" }, dry_run: true }),
  });

test("SEC-11: with keys that only KMS opens, sessions live and the audit log is published in a bucket, provably", async () => {
  const opened = kms.requests.filter(({ action }) => action === "Decrypt").length;
  await pipeline.producer.send("id.login", [
    events.login({ userId: "u-cloud", ip: "41.82.17.203" }),
  ]);
  await untilTrue("the session lives", async () => {
    return (await inRedis(pipeline, "u-cloud", "s-u-cloud")) === "active";
  });
  assert.equal((await countSessions()).status, 200);
  const published = await until("the record is published", () => {
    const text = s3.files.get("log/checkpoint")?.toString() ?? "";
    return Number(text.split("\n")[1] ?? 0) > 0 ? text : null;
  });
  assert.match(published, /^vigie-audit\n/);

  for (const [name, bytes] of s3.files) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  }
  const verified = await run(
    ["scripts/audit-verify/main.mjs", join(folder, "log"), "--key", pipeline.verifierKey],
    {},
  );
  assert.equal(verified.code, 0, verified.text);
  // Everyone has opened the keys at the start; nothing that happened asked again.
  assert.equal(kms.requests.filter(({ action }) => action === "Decrypt").length, opened);
  assert.ok(opened >= 3);
});

test("SEC-11: a service that KMS refuses does not run, says why, and tells no secret", async () => {
  const sessions = pipeline.service("sessions");
  await sessions.terminate();
  kms.trouble = () => ({ status: 400, type: "AccessDeniedException" });
  sessions.launch();
  await untilTrue("it says why", () => sessions.output().includes("AccessDeniedException"));
  assert.match(sessions.output(), /VIG_KMS_REFUSED/);
  const [wrapped] = /[A-Za-z0-9+/=]{100,}/.exec(readFileSync(keysFile, "utf8")) ?? [];
  assert.ok(wrapped && !sessions.output().includes(wrapped.slice(0, 40)));
  assert.ok(!sessions.output().includes(kms.credentials.secretAccessKey));

  kms.trouble = () => null;
  await sessions.kill();
  await sessions.start();
});

test("a service waits for a KMS that is away, is not of use meanwhile, and then goes on by itself", async () => {
  const sessions = pipeline.service("sessions");
  await sessions.terminate();
  kms.trouble = () => ({ status: 500, type: "KMSInternalException" });
  sessions.launch();
  await untilTrue("health names the keys", async () =>
    (await sessions.partsDown()).includes("keys"),
  );
  assert.equal((await fetch(`${sessions.url}/healthz`)).status, 503);
  assert.equal((await fetch(`${sessions.url}/livez`)).status, 200);
  const { code, tookMs } = await sessions.terminate();
  assert.equal(code, 0);
  assert.ok(tookMs < 10_000, `${tookMs} ms`);
  sessions.launch();
  kms.trouble = () => null;
  await sessions.ready();
});
