import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findJava, parseMajor } from "./java.mjs";

let folder = "";
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "vigie-java-")));
});

afterEach(() => rmSync(folder, { recursive: true }));

/** A folder that looks like an installed Java. */
function plant(name: string, version: string): string {
  const home = join(folder, name);
  mkdirSync(join(home, "bin"), { recursive: true });
  writeFileSync(join(home, "bin", "java"), "#!/bin/sh\n");
  chmodSync(join(home, "bin", "java"), 0o755);
  writeFileSync(join(home, "release"), `IMPLEMENTOR="x"\nJAVA_VERSION="${version}"\n`);
  return home;
}

test.each([
  ['JAVA_VERSION="21.0.4"', 21],
  ['JAVA_VERSION="25"', 25],
  ['JAVA_VERSION="1.8.0_402"', 8],
  ['JAVA_VERSION="24-ea"', 24],
  ["nothing of the kind", 0],
])("%s is Java %i", (release, major) => {
  expect(parseMajor(release)).toBe(major);
});

test("the newest of JAVA_HOME, PATH and the JVM folders is taken", () => {
  const old = plant("jdk-17", "17.0.15");
  const onPath = plant("jdk-21", "21.0.4");
  const newest = plant("jvm/jdk-25", "25.0.1");
  const env = { JAVA_HOME: old, PATH: join(onPath, "bin") };
  expect(findJava(env, [join(folder, "jvm")])).toMatchObject({ home: newest, major: 25 });
  expect(findJava(env, [])).toMatchObject({ home: onPath, major: 21 });
});

test("with none of 21 or newer it says which there is, and what to install", () => {
  const env = { JAVA_HOME: plant("jdk-17", "17.0.15"), PATH: "" };
  expect(() => findJava(env, [])).toThrow(
    /Java 21 or newer is needed.*the newest here is 17[\s\S]*apt-get install openjdk-21/,
  );
  expect(() => findJava({ PATH: "" }, [])).toThrow(/there is none/);
});
