import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, test } from "vitest";
import { ORIGIN, WORM_SECRET } from "./support/keys.ts";
import { createService, run } from "./support/processes.ts";
import { testPipeline } from "./support/test-pipeline.ts";
import { until, untilTrue } from "./support/until.ts";

/** Every key of the audit is rotated by the steps of docs/operations.md, "To rotate a key", while the log goes on. */

const { pipeline } = await testPipeline(["edge", "audit-sink"]);
const { directory, env, verifierKey: oldKey } = pipeline;
const inFolder = (name: string): string => join(directory, name);
const EXPORT = inFolder("audit.ndjson");
/** Source: docs/audit-format.md, exit codes of the verifier. */
const EXIT = { intact: 0 } as const;

let services = [pipeline.service("edge"), pipeline.service("audit-sink")];
afterAll(() => Promise.all(services.map((service) => service.kill())));

/** Both are stopped as operators stop them, and started with another environment. */
async function restart(over: Readonly<Record<string, string>>): Promise<void> {
  await Promise.all(services.map((service) => service.terminate()));
  services = await Promise.all(
    services.map(({ name }) => createService({ name, env: { ...env, ...over }, directory })),
  );
  for (const service of services) service.launch();
}

interface Checkpoint {
  readonly size: number;
  readonly note: string;
  readonly key_id: string;
}

const newest = async (): Promise<Checkpoint | undefined> =>
  (
    await pipeline.database.query<Checkpoint>(
      "select size::int, note, key_id from audit_checkpoints order by size desc, signed_at_ms desc limit 1",
    )
  ).rows[0];

/** Resolves with the first checkpoint that covers more leaves than `size`. */
const grownPast = (size: number): Promise<Checkpoint> =>
  until(`a checkpoint over more than ${size} leaves`, async () => {
    const checkpoint = await newest();
    return checkpoint !== undefined && checkpoint.size > size ? checkpoint : null;
  });

/** Resolves with the index of the first leaf that tells of this. */
const leafOf = (told: string): Promise<number> =>
  until(`a leaf that tells of ${told}`, async () => {
    const { rows } = await pipeline.database.query<{ index: number; leaf: Buffer }>(
      "select index::int, leaf from audit_leaves order by index",
    );
    return rows.find(({ leaf }) => leaf.includes(told))?.index ?? null;
  });

/** An administrator asks how many sessions a user has: nothing is done, and it is on record. */
async function ask(user: string): Promise<void> {
  const edge = services[0];
  await edge?.ready();
  const claims = { sub: "console", scope: "id:admin" };
  const response = await fetch(`${edge?.url}/api/id/admin/sessions/revoke`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${pipeline.token(claims)}`,
      "content-type": "application/json",
    },
    body: JSON.stringify({ filter: { user_id: user }, dry_run: true }),
  });
  assert.equal(response.status, 200, await response.text());
}

const keys = async (...args: readonly string[]): Promise<string> => {
  const { code, text } = await run(["scripts/keys.ts", ...args], env);
  assert.equal(code, 0, text);
  return text.trim();
};

const audit = (args: readonly string[], over: Readonly<Record<string, string>>) =>
  run(["services/audit-sink/src/main.ts", ...args], { ...env, ...over });

test("AUD-01, AUD-02: all keys of the audit are rotated, and one export proves what all of them signed", async () => {
  await ask("u-before");
  const before = await grownPast(0);
  writeFileSync(inFolder("before.checkpoint"), before.note);

  // Each new key is on record below a checkpoint of the old one before it is used.
  await keys("rotate", env.VIGIE_KEYS_FILE ?? "", new Date().toISOString());
  const secretId = await keys("secret", inFolder("worm.new"));
  const newKey = await keys("signing", inFolder("audit.new"), ORIGIN);
  const announced = await grownPast(await leafOf(newKey));
  assert.ok(oldKey.includes(`+${announced.key_id}+`));

  const rotated = {
    WORM_SIGNING_SECRET: readFileSync(inFolder("worm.new"), "utf8").trim(),
    WORM_SIGNING_SECRETS_RETIRED: WORM_SECRET,
    AUDIT_SIGNING_KEY_FILE: inFolder("audit.new"),
    AUDIT_RETIRED_KEYS: oldKey,
  };
  await restart(rotated);
  // The old key may have signed more: an edge that stops closes its series.
  const stopped = (await newest()) ?? announced;
  await ask("u-after");
  const after = await grownPast(stopped.size);
  assert.ok(newKey.includes(`+${after.key_id}+`), "the new key signs what comes after");

  const { rows } = await pipeline.database.query<{ key_id: string; leaf: Buffer }>(
    "select key_id, leaf from audit_leaves order by index",
  );
  assert.equal(new Set(rows.map(({ key_id }) => key_id)).size, 2);
  assert.equal(rows.at(-1)?.key_id, secretId);
  const told = rows.map(({ leaf }) => leaf.toString()).join("\n");
  assert.ok(told.includes(newKey) && told.includes(secretId) && told.includes("keys.rotated"));
  assert.ok(!told.includes(rotated.WORM_SIGNING_SECRET));

  const checked = await audit(["fsck", "--topic"], rotated);
  assert.equal(checked.code, 0, checked.text);
  const exported = await audit(["export", "--out", EXPORT], rotated);
  assert.equal(exported.code, 0, exported.text);
  const both = ["--key", newKey, "--key", oldKey];
  const since = ["--since", inFolder("before.checkpoint")];
  const verified = await verify([...both, ...since], rotated);
  assert.equal(verified.code, EXIT.intact, verified.text);
  // What the first administrator did opens with the new master key beside the old one.
  assert.match(readFileSync(EXPORT, "utf8"), /u-before.*u-after/s);
});

const verify = (args: readonly string[], over: Readonly<Record<string, string>> = {}) =>
  run(["scripts/audit-verify/main.mjs", EXPORT, ...args], over);

test("AUD-01: an auditor who trusts only one of both keys is told so", async () => {
  const newKey = await keys("vkey", inFolder("audit.new"));
  const since = ["--since", inFolder("before.checkpoint")];
  assert.notEqual((await verify(["--key", oldKey])).code, EXIT.intact);
  assert.notEqual((await verify(["--key", newKey, ...since])).code, EXIT.intact);
  assert.equal((await verify(["--key", newKey])).code, EXIT.intact);
});

test("AUD-01: a new key without the old one among the retired signs nothing, until that is put right", async () => {
  const { size = 0 } = (await newest()) ?? {};
  const third = await keys("signing", inFolder("audit.third"), ORIGIN);
  const newKey = await keys("vkey", inFolder("audit.new"));
  await grownPast(size);
  const secrets = {
    WORM_SIGNING_SECRET: readFileSync(inFolder("worm.new"), "utf8").trim(),
    WORM_SIGNING_SECRETS_RETIRED: WORM_SECRET,
    AUDIT_SIGNING_KEY_FILE: inFolder("audit.third"),
  };
  await restart({ ...secrets, AUDIT_RETIRED_KEYS: oldKey });
  await untilTrue("the audit sink does not trust its last checkpoint", () =>
    String(services[1]?.output()).includes("VIG_AUDIT_NOTE_UNTRUSTED"),
  );
  const last = await newest();
  assert.ok(newKey.includes(`+${last?.key_id}+`));

  await restart({ ...secrets, AUDIT_RETIRED_KEYS: `${newKey},${oldKey}` });
  await ask("u-third");
  const next = await grownPast(last?.size ?? 0);
  assert.ok(third.includes(`+${next.key_id}+`));
});
