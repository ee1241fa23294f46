import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, realpathSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { Problem } from "./base.mjs";
import { exists } from "./processes.mjs";

/** Apicurio 3.3 is compiled for 21; Kafka 4.3 wants 17. */
const JAVA_MIN = 21;
const JVM_FOLDERS = ["/usr/lib/jvm", "/opt", "/usr/java", "/Library/Java/JavaVirtualMachines"];

/**
 * The newest Java of JAVA_HOME, PATH and the system's JVM folders.
 * Returns: {command, home, major}. Throws: Problem when there is none of 21 or newer.
 */
export function findJava(env = process.env, folders = JVM_FOLDERS) {
  const found = [...new Set(candidateHomes(env, folders))]
    .map((home) => ({ home, major: majorOf(home), command: join(home, "bin", "java") }))
    .filter(({ major }) => major > 0)
    .sort((a, b) => b.major - a.major);
  const newest = found[0];
  if (newest !== undefined && newest.major >= JAVA_MIN) return newest;
  const seen = newest === undefined ? "there is none" : `the newest here is ${newest.major}`;
  throw new Problem(
    `Java ${JAVA_MIN} or newer is needed for Kafka and the schema registry; ${seen}.`,
    [
      `Looked in JAVA_HOME, PATH and ${folders.join(", ")}.`,
      "Debian 13, Ubuntu:  apt-get install openjdk-21-jre-headless",
      "Fedora:             dnf install java-21-openjdk-headless",
      "Elsewhere:          https://adoptium.net/temurin/releases  (unpack, set JAVA_HOME)",
    ].join("\n"),
  );
}

function candidateHomes(env, folders) {
  const homes = env.JAVA_HOME ? [env.JAVA_HOME] : [];
  for (const folder of (env.PATH ?? "").split(delimiter)) {
    if (folder !== "" && exists(join(folder, "java"))) homes.push(homeOf(join(folder, "java")));
  }
  for (const folder of folders) {
    for (const name of exists(folder) ? readdirSync(folder) : []) {
      homes.push(join(folder, name), join(folder, name, "Contents", "Home"));
    }
  }
  return homes
    .filter((home) => exists(join(home, "bin", "java")))
    .map((home) => realpathSync(home));
}

const homeOf = (command) => dirname(dirname(realpathSync(command)));

/** The major version by the `release` file that a JDK carries; asked of Java itself where it is missing. */
function majorOf(home) {
  if (exists(join(home, "release"))) return parseMajor(readFileSync(join(home, "release"), "utf8"));
  const { stderr } = spawnSync(join(home, "bin", "java"), ["-version"], { encoding: "utf8" });
  return parseMajor(`JAVA_VERSION=${/version ("[^"]+")/.exec(stderr ?? "")?.[1] ?? '""'}`);
}

/** `JAVA_VERSION="21.0.4"` is 21; `"1.8.0_402"` is 8. */
export function parseMajor(release) {
  const version = /^JAVA_VERSION="([^"]+)"/m.exec(release)?.[1] ?? "";
  const [first, second] = version.split(/[._-]/).map(Number);
  return (first === 1 ? second : first) || 0;
}
