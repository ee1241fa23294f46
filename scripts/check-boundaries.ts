import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative, sep } from "node:path";
import { importsOf } from "./import-scanner.ts";

/** Folders of the repository that hold code, by what they may import. */
type Layer =
  | "core"
  | "schemas"
  | "stream"
  | "audit-log"
  | "geoip"
  | "service-kit"
  | "services"
  | "testkit"
  | "outside";

const PACKAGES = [
  "core",
  "schemas",
  "stream",
  "audit-log",
  "geoip",
  "service-kit",
  "testkit",
] as const;
const ALL: readonly string[] = [...PACKAGES, "scripts", "tests"];

/** DESIGN's layout table as data. No package and no service may import a service; what crosses them may. */
const mayImport: Readonly<Record<Layer, readonly string[]>> = {
  core: [],
  schemas: ["core"],
  stream: ["core"],
  "audit-log": ["core"],
  geoip: ["core"],
  "service-kit": ["core", "schemas", "stream", "audit-log"],
  services: ["core", "schemas", "stream", "audit-log", "geoip", "service-kit"],
  testkit: PACKAGES,
  outside: [...ALL, ...readdirSync(new URL("../services/", import.meta.url))],
};

/** Each driver, and the name of the only folders that may import it. */
const drivers: Readonly<Record<string, string>> = {
  kafkajs: "kafka",
  lmdb: "lmdb",
  pg: "postgres",
  "node-pg-migrate": "postgres",
  ioredis: "redis",
  "@aws-sdk/client-kms": "kms",
  "@aws-sdk/client-s3": "objects",
};

const SOURCE = /\.(ts|mts|mjs|js)$/;
const TEST = /\.(test|int\.test|suite|examples|property)\.ts$/;
/** Helpers of tests and benchmarks: testing.ts, test-edge.ts, and the folders testing and bench. */
const TEST_PLACE = /\/(testing|test-[^/]+)\.ts$|\/(testing|bench)\//;
const SKIPPED = new Set(["node_modules", ".git", ".vigie", ".turbo", "coverage", "dist"]);

/**
 * What a file imports against the rules, one line each.
 * Shape: `path` relative to the repository, with "/".
 */
export function violationsOf(path: string, source: string): readonly string[] {
  const layer = layerOf(path);
  return importsOf(source).flatMap((name) => {
    const why = refusal(path, layer, name);
    return why === null ? [] : [`${path}: ${why}`];
  });
}

function refusal(path: string, layer: Layer, name: string): string | null {
  if (name.startsWith(".")) return relativeRefusal(path, name);
  if (name.startsWith("#")) return null;
  if (name.startsWith("@vigie/")) return packageRefusal(path, layer, name);
  if (name.startsWith("node:")) return nodeRefusal(path, layer, name);
  return driverRefusal(path, layer, name) ?? dependencyRefusal(path, layer, name);
}

function relativeRefusal(path: string, name: string): string | null {
  const home = packageFolder(path);
  const target = posix.normalize(posix.join(posix.dirname(path), name));
  const inside = home === "" ? !target.startsWith("..") : target.startsWith(`${home}/`);
  return inside ? null : `${name} leaves ${home}; import the package by its name`;
}

function packageRefusal(path: string, layer: Layer, name: string): string | null {
  const imported = name.split("/")[1] ?? "";
  if (imported === ownName(path)) return null;
  if (mayImport[layer].includes(imported)) return null;
  if (isTest(path) && ALL.includes(imported)) return null; // Real servers, clients, generators.
  return `${layer} may not import ${name}`;
}

function nodeRefusal(path: string, layer: Layer, name: string): string | null {
  if (isTest(path)) return null;
  if (layer === "core") return `core is pure and may not import ${name}`;
  const isRule = /^services\/[^/]+\/src\/rules\//.test(path);
  return isRule ? `rules are pure and may not import ${name}` : null;
}

function driverRefusal(path: string, layer: Layer, name: string): string | null {
  const driver = Object.keys(drivers).find((each) => name === each || name.startsWith(`${each}/`));
  if (driver === undefined || layer === "testkit" || layer === "outside") return null;
  const folder = drivers[driver] ?? "";
  const allowed = layer !== "services" && dirname(path).split("/").includes(folder);
  return allowed ? null : `${driver} may be imported in folders named ${folder} of packages only`;
}

function dependencyRefusal(path: string, layer: Layer, name: string): string | null {
  return layer === "core" && !isTest(path) ? `core may not import ${name}` : null;
}

const isTest = (path: string): boolean => TEST.test(path) || TEST_PLACE.test(path);

function layerOf(path: string): Layer {
  const [top, second] = path.split("/");
  if (top === "packages") return (PACKAGES.find((name) => name === second) ?? "outside") as Layer;
  if (top === "schemas") return "schemas";
  return top === "services" ? "services" : "outside";
}

/** The folder of the package that a file belongs to, relative to the repository; "" for the root. */
function packageFolder(path: string): string {
  const parts = path.split("/");
  if (parts[0] === "packages" || parts[0] === "services") return parts.slice(0, 2).join("/");
  return parts.length > 1 ? (parts[0] ?? "") : "";
}

const ownName = (path: string): string => packageFolder(path).split("/").at(-1) ?? "";

/** Every source file below a folder, relative to it. */
export function sourceFiles(root: string, folder = root): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : sourceFiles(root, path);
    return SOURCE.test(entry.name) ? [relative(root, path).split(sep).join("/")] : [];
  });
}

export function checkBoundaries(root: string): readonly string[] {
  return sourceFiles(root).flatMap((path) =>
    violationsOf(path, readFileSync(join(root, path), "utf8")),
  );
}

if (import.meta.main) {
  const faults = checkBoundaries(join(import.meta.dirname, ".."));
  for (const fault of faults) console.error(fault);
  console.log(
    faults.length === 0 ? "boundaries: nothing is out of place" : `${faults.length} faults`,
  );
  process.exit(faults.length === 0 ? 0 : 1);
}
