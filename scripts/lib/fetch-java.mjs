import { spawn, spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LOGS, Problem, ROOT, TOOLS } from "./base.mjs";
import { execute, exists, help, tail } from "./processes.mjs";

const POM = join(ROOT, "infra", "native", "pom.xml");
const LOG = join(LOGS, "maven.log");

export const KAFKA_LIBS = join(TOOLS, "kafka-4.3.1");
export const REGISTRY_HOME = join(TOOLS, "registry-3.3.3");

export const isJavaFetched = () => exists(KAFKA_LIBS) && exists(REGISTRY_HOME);

/** Throws: Problem when something is to be downloaded and Maven is not there to do it. */
export function checkMaven() {
  if (isJavaFetched()) return;
  if (spawnSync("mvn", ["--version"], { stdio: "ignore" }).status === 0) return;
  throw new Problem(
    "Maven (mvn) is needed once, to download Kafka and the schema registry; it is not on PATH.",
    "Debian, Ubuntu:  apt-get install maven\nElsewhere:       https://maven.apache.org/download.cgi",
  );
}

/**
 * The jars of Kafka and the unpacked registry, downloaded by Maven once: it honours the mirrors and
 * proxies of ~/.m2/settings.xml, keeps every finished file there and goes on after an interruption.
 * A folder appears under its name only when it is complete.
 */
export async function fetchJava({ say, progress }) {
  if (isJavaFetched()) return;
  const target = join(TOOLS, "maven");
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  say("downloads", "Kafka and the schema registry, by Maven (about 210 MB, once)");
  await maven(["generate-resources", `-Dtarget=${target}`], progress);
  rmSync(KAFKA_LIBS, { recursive: true, force: true });
  renameSync(join(target, "kafka"), KAFKA_LIBS);
  await unpackRegistry(target);
  rmSync(target, { recursive: true, force: true });
}

async function unpackRegistry(target) {
  const archive = join(target, "apicurio-registry-app-3.3.3-all.tar.gz");
  const partial = `${REGISTRY_HOME}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  const { status, stderr } = await execute("tar", ["-xzf", archive, "-C", partial]);
  if (status !== 0) throw new Problem(`The registry's archive does not unpack: ${stderr}`);
  renameSync(partial, REGISTRY_HOME);
}

function maven(args, progress) {
  mkdirSync(LOGS, { recursive: true });
  writeFileSync(LOG, "");
  return new Promise((resolve, reject) => {
    const flags = ["-f", POM, "-Dstyle.color=never"];
    const env = { MAVEN_OPTS: "-XX:TieredStopAtLevel=1", ...process.env }; // It runs for seconds.
    const stdio = ["ignore", "pipe", "pipe"];
    const child = help(spawn("mvn", [...flags, ...args], { env, stdio }));
    const hear = (chunk) => {
      const text = String(chunk);
      // "Progress (2): 1.2/7.3 MB | 45/158 MB" comes many times a second; the log keeps the rest.
      const sizes = /Progress \(\d+\): ([^\r\n]+)/.exec(text)?.[1];
      if (sizes !== undefined) progress("maven", sizes.trim());
      appendFileSync(
        LOG,
        text.replace(/Progress \(\d+\):[^\r\n]*\r?/g, "").replace(/\r *\r?/g, ""),
      );
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.once("error", reject);
    child.once("exit", (code) => {
      progress("maven", null);
      if (code === 0) resolve();
      else reject(mavenFailed(code));
    });
  });
}

function mavenFailed(code) {
  const errors = tail(LOG, 200)
    .split("\n")
    .filter((line) => line.startsWith("[ERROR]"))
    .slice(0, 4);
  return new Problem(
    `Maven could not download Kafka and the schema registry (exit code ${code}).`,
    `What is already here is kept; the same command goes on. Its log: ${LOG}\n${errors.join("\n")}`,
  );
}
