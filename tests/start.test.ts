import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "@vigie/scripts/lib/ports";
import { isAlive } from "@vigie/scripts/lib/processes";
import { readState } from "@vigie/scripts/lib/state";
import { afterAll, test } from "vitest";
import { run } from "./support/processes.ts";
import { Hopeless, untilTrue } from "./support/until.ts";

/** `npm start` as a person runs it: own servers, own keys, logins of the services with their own rights. */

const SCRIPTS = join(import.meta.dirname, "..", "scripts");
/** Seconds on a quiet machine. */
const UP_MS = 170_000;
/** Beside four servers. */
const SERVICES = 7;

const home = mkdtempSync(join(tmpdir(), "vigie-start-"));
chmodSync(home, 0o755); // PostgreSQL may have to run as another user.
const { kafka, registry, edge, geo } = await freePorts(["kafka", "registry", "edge", "geo"]);
const env = {
  VIGIE_HOME: home,
  VIGIE_NATIVE: "1",
  VIGIE_KAFKA_PORT: String(kafka),
  VIGIE_REGISTRY_PORT: String(registry),
  VIGIE_EDGE_PORT: String(edge),
  VIGIE_GEO_PORT: String(geo),
  // Those that a person's shell has, and not those of a test.
  NODE_ENV: "development",
  HOME: process.env.HOME ?? "",
  JAVA_HOME: process.env.JAVA_HOME ?? "",
};
const stop = () => run([join(SCRIPTS, "stop.mjs")], env);
afterAll(async () => {
  await stop();
  rmSync(home, { recursive: true, force: true });
});

interface Started {
  readonly child: ChildProcess;
  output(): string;
  says(what: RegExp): Promise<void>;
}

function start(): Started {
  const child = spawn(process.execPath, [join(SCRIPTS, "start.mjs"), "--no-demo"], {
    env: { PATH: process.env.PATH ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
  }
  const output = (): string => text;
  const says = (what: RegExp): Promise<void> =>
    untilTrue(
      `npm start says ${what}`,
      () => {
        if (child.exitCode !== null) throw new Hopeless(`npm start has ended:\n${text}`);
        return what.test(text);
      },
      UP_MS,
    );
  return { child, output, says };
}

/** The three commands of README.md, "Verify the audit". */
async function verifiesAudit(): Promise<void> {
  const script = async (name: string, ...args: readonly string[]): Promise<string> => {
    const JWT_PRIVATE_KEY = join(home, "keys", "jwt-private.pem");
    const { code, text } = await run([join(SCRIPTS, name), ...args], { ...env, JWT_PRIVATE_KEY });
    assert.equal(code, 0, text);
    return text.trim();
  };
  const auditor = ["--tenant", "molam-sn", "--user", "auditor", "--user-type", "INTERNAL"];
  const token = await script("token.ts", ...auditor, "--scope", "id:audit platform:admin");
  const url = `http://127.0.0.1:${edge}/api/id/admin/audit/export?tenant=*`;
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  const file = join(home, "audit.ndjson");
  writeFileSync(file, await response.text());
  const key = await script("keys.ts", "vkey", join(home, "keys", "audit.key"));
  assert.match(await script("audit-verify/main.mjs", file, "--whole", "--key", key), /^INTACT/);
}

test("npm start brings all up, a second one shows the scenario, the first tells of its anomalies, Ctrl-C ends all", {
  timeout: 2 * UP_MS,
}, async () => {
  const first = start();
  await first.says(/Where to go next/);
  const { processes, services } = readState(join(home, "stack.json"));
  assert.equal(Object.keys(services).length, SERVICES, first.output());
  assert.equal(processes.length, 4 + SERVICES);
  for (const name of readdirSync(join(home, "keys"))) {
    assert.equal(statSync(join(home, "keys", name)).mode & 0o777, 0o600, name);
  }

  const second = await run([join(SCRIPTS, "start.mjs")], env);
  assert.equal(second.code, 0, second.text);
  assert.match(second.text, /runs here already/);
  assert.match(second.text, /impossible_travel.*fingerprint_mismatch.*bruteforce/s);
  assert.match(second.text, /Audit {7}[3-9] entries, in a log of which \d+ are signed for/);
  await first.says(/anomaly +HIGH impossible_travel molam-sn\|moussa-/);
  await verifiesAudit();
  assert.doesNotMatch(first.output(), /ended\. Its log/);

  first.child.kill("SIGINT");
  await once(first.child, "exit");
  assert.equal(first.child.exitCode, 0, first.output());
  assert.deepEqual(processes.filter(isAlive), []);
  const nothing = await stop();
  assert.match(nothing.text, /nothing runs here/);
});

test("started again on what it kept, npm start -- --detach returns when all is healthy, and npm stop ends it", {
  timeout: UP_MS,
}, async () => {
  const { code, text } = await run([join(SCRIPTS, "start.mjs"), "--detach", "--no-demo"], env);
  assert.equal(code, 0, text);
  const { processes, services } = readState(join(home, "stack.json"));
  assert.equal(processes.filter(isAlive).length, 4 + SERVICES);
  // What a service can do without may come a little later on a busy machine.
  for (const url of [services.geo, services["audit-sink"]]) {
    await untilTrue(`${url} is healthy`, async () => {
      const { status } = (await (await fetch(`${url}/health`)).json()) as { status: string };
      return status === "healthy";
    });
  }
  const log = join(home, "log", "audit-sink.log");
  await untilTrue("it goes on behind the checkpoint that it signed last", () =>
    /"size":"[1-9]\d*","event":"audit_signer_leads"/.test(readFileSync(log, "utf8")),
  );
  const stopped = await stop();
  assert.equal(stopped.code, 0, stopped.text);
  assert.deepEqual(processes.filter(isAlive), []);
});
