import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkBoundaries, violationsOf } from "./check-boundaries.ts";
import { importsOf } from "./import-scanner.ts";

const faults = (path: string, name: string): number =>
  violationsOf(path, `import { it } from "${name}";`).length;

test("this repository keeps its boundaries", () => {
  expect(checkBoundaries(join(import.meta.dirname, ".."))).toEqual([]);
});

describe("a planted fault is found", () => {
  test.each([
    ["a service imports another one", "services/geo/src/app.ts", "@vigie/sessions/decide"],
    ["the test kit imports a service", "packages/testkit/src/stack.ts", "@vigie/edge/app"],
    ["core imports a package", "packages/core/src/time.ts", "@vigie/stream/codec"],
    ["core imports Node", "packages/core/src/time.ts", "node:fs"],
    ["core imports a library", "packages/core/src/time.ts", "lodash"],
    ["stream knows a contract", "packages/stream/src/runtime.ts", "@vigie/schemas/types"],
    ["the log knows a contract", "packages/audit-log/src/leaf.ts", "@vigie/schemas/types"],
    ["schemas use the kit", "schemas/src/codecs.ts", "@vigie/service-kit/log"],
    ["the kit looks addresses up", "packages/service-kit/src/http/server.ts", "@vigie/geoip/geoip"],
    ["geoip knows a contract", "packages/geoip/src/files.ts", "@vigie/schemas/types"],
    ["a service uses the test kit", "services/edge/src/app.ts", "@vigie/testkit/stack"],
    ["a path leaves its package", "services/edge/src/app.ts", "../../sessions/src/decide.ts"],
    ["a path leaves its package upwards", "packages/stream/src/a.ts", "../../core/src/time.ts"],
    ["kafkajs outside its folder", "packages/stream/src/runtime.ts", "kafkajs"],
    ["a path inside kafkajs", "packages/stream/src/runtime.ts", "kafkajs/src/cluster/index.js"],
    ["lmdb outside its folder", "packages/stream/src/store.ts", "lmdb"],
    ["pg in a service", "services/session-sink/src/postgres/write.ts", "pg"],
    ["ioredis outside its folder", "packages/service-kit/src/http/limit.ts", "ioredis"],
    ["a rule reads files", "services/detector/src/rules/travel.ts", "node:fs"],
  ])("%s", (_, path, name) => {
    expect(faults(path, name)).toBe(1);
  });
});

describe("what is allowed passes", () => {
  test.each([
    ["services/edge/src/app.ts", "@vigie/service-kit/http/server"],
    ["services/edge/src/app.ts", "@vigie/edge/config"],
    ["packages/service-kit/src/audit/nodes.ts", "@vigie/audit-log/tree"],
    ["packages/audit-log/src/tree.ts", "node:crypto"],
    ["services/detector/src/worker.ts", "@vigie/geoip/databases"],
    ["services/edge/src/app.ts", "node:fs"],
    ["services/edge/src/app.ts", "./config.ts"],
    ["services/edge/src/routes/a/route.ts", "../../config.ts"],
    ["services/edge/src/ingest.int.test.ts", "@vigie/testkit/stack"],
    ["schemas/src/provision.int.test.ts", "@vigie/stream/kafka/admin"],
    ["packages/stream/src/kafka/client.ts", "kafkajs"],
    ["packages/stream/src/kafka/internals.ts", "kafkajs/src/cluster/index.js"],
    ["packages/stream/src/lmdb/store.ts", "lmdb"],
    ["packages/service-kit/src/postgres/database.ts", "pg"],
    ["tests/pipeline.test.ts", "kafkajs"],
    ["scripts/provision.ts", "@vigie/service-kit/config"],
    ["packages/core/src/time.test.ts", "vitest"],
  ])("%s imports %s", (path, name) => {
    expect(faults(path, name)).toBe(0);
  });
});

describe("the scanner", () => {
  test("finds every way of naming a module", () => {
    const source = `
      import a from "a";
      import type { B } from 'b';
      import "c";
      export * from "d";
      export { e } from "e";
      const f = await import("f");
      const g = require("g");
      import {
        h, // from "not this"
      } from "h";
      type I = import("i").I;
      import j from /* why */ "j";
    `;
    expect(importsOf(source)).toEqual(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
  });

  test("passes over comments, templates and plain text", () => {
    const source = `
      // import a from "a";
      /* import b from "b"; */
      const c = \`import d from "d"\`;
      const e = "import f from 'f'";
      const g = name("h");
    `;
    expect(importsOf(source)).toEqual([]);
  });
});
