import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@vigie/core/log";
import { parseConfig } from "@vigie/service-kit/config";
import { eventually } from "@vigie/testkit/eventually";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { runUpdater } from "./app.ts";
import { type GeoipUpdateConfig, geoipUpdateConfig } from "./config.ts";
import { ACCOUNT, databaseOf, type FakeMaxMind, fakeMaxMind, releaseOf } from "./testing.ts";

const CITY = "GeoLite2-City";
const MAY = Date.UTC(2026, 4, 1);
let maxmind: FakeMaxMind;
const folder = mkdtempSync(join(tmpdir(), "vigie-geoip-updater-"));

beforeAll(async () => {
  maxmind = await fakeMaxMind();
  maxmind.releases.set(CITY, releaseOf(CITY, MAY, databaseOf(CITY, "Dakar", MAY)));
});
afterAll(async () => {
  await maxmind.close();
  rmSync(folder, { recursive: true, force: true });
});

const environment = (over: Record<string, string> = {}): Record<string, string> => ({
  NODE_ENV: "test",
  MAXMIND_ACCOUNT_ID: ACCOUNT.accountId,
  MAXMIND_LICENSE_KEY: ACCOUNT.licenceKey,
  MAXMIND_DB_PATH: join(folder, "data"),
  MAXMIND_EDITIONS: CITY,
  MAXMIND_DOWNLOAD_URL: maxmind.url,
  MAXMIND_FILE_HOSTS: maxmind.fileHost,
  ...over,
});

function parsed(env: Record<string, string>): GeoipUpdateConfig {
  const parsing = parseConfig(geoipUpdateConfig, env);
  if ("faults" in parsing) throw new Error(parsing.faults.join("\n"));
  return parsing.config;
}

test("started by a schedule it looks once, makes the folder, and says by its exit code how it went", async () => {
  const [good, bad] = [environment(), environment({ MAXMIND_LICENSE_KEY: "another" })];
  expect(await runUpdater(parsed(good), silentLogger, process)).toBe(0);
  expect(existsSync(join(folder, "data", `${CITY}.mmdb`))).toBe(true);
  expect(await runUpdater(parsed(bad), silentLogger, process)).toBe(1);
});

test("left running it looks at once and again, and a signal ends it", async () => {
  const env = environment({ GEOIP_UPDATE_EVERY_HOURS: "24", MAXMIND_DB_PATH: join(folder, "b") });
  const signals = new EventEmitter();
  const exit = vi.fn();
  const host = {
    on: (event: string, listener: (thrown: unknown) => void) => signals.on(event, listener),
    off: (event: string, listener: (thrown: unknown) => void) => signals.off(event, listener),
    exit,
  };
  const running = runUpdater(parsed(env), silentLogger, host);
  await eventually(() => expect(existsSync(join(folder, "b", `${CITY}.mmdb`))).toBe(true));
  signals.emit("SIGTERM");
  expect(await running).toBe(0);
  expect(exit).toHaveBeenCalledExactlyOnceWith(0);
});

test("as a process it logs what it did, and never the licence key", async () => {
  const main = join(import.meta.dirname, "main.ts");
  const env = { ...environment({ MAXMIND_DB_PATH: join(folder, "c") }), PATH: process.env.PATH };
  const child = spawn(process.execPath, [main], { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text));
  const [code] = await once(child, "close");
  expect(code).toBe(0);
  expect(output).toContain('"event":"geoip_replaced"');
  expect(output).not.toContain(ACCOUNT.licenceKey);
});

test.each([
  [{ MAXMIND_ACCOUNT_ID: "" }, "MAXMIND_ACCOUNT_ID is missing"],
  [{ MAXMIND_LICENSE_KEY: " " }, "MAXMIND_LICENSE_KEY is missing"],
  [{ MAXMIND_EDITIONS: "GeoLite2-Country" }, "MAXMIND_EDITIONS is GeoLite2-Country"],
  [{ MAXMIND_FILE_HOSTS: "https://x.example/" }, "MAXMIND_FILE_HOSTS is https://x.example/"],
  [{ NODE_ENV: "production" }, "MAXMIND_DOWNLOAD_URL is http, which production refuses"],
])("DEP-03: %j is refused", (over, fault) => {
  expect(() => parsed(environment(over))).toThrow(fault);
});

test("DEP-03: without a word of it databases come from MaxMind and go to /data", () => {
  const { MAXMIND_ACCOUNT_ID, MAXMIND_LICENSE_KEY } = environment();
  const config = parsed({
    NODE_ENV: "production",
    MAXMIND_ACCOUNT_ID,
    MAXMIND_LICENSE_KEY,
  } as never);
  expect(config).toMatchObject({
    MAXMIND_DB_PATH: "/data",
    MAXMIND_EDITIONS: ["GeoLite2-City", "GeoLite2-ASN"],
    MAXMIND_DOWNLOAD_URL: "https://download.maxmind.com",
  });
});
