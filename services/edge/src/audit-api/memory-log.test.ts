import assert from "node:assert/strict";
import { describe, test } from "vitest";
import { auditLogBehaviours, type OpenLog } from "./audit-log.suite.ts";

const open: OpenLog = async (made, size) => made.inMemory(size === undefined ? {} : { size });

describe("the audit log in memory", () => {
  for (const [name, behaviour] of Object.entries(auditLogBehaviours)) {
    test(name, () => behaviour(open));
  }

  const broken: Readonly<Record<string, OpenLog>> = {
    "forgets who else was meant": async (made, size) => {
      const log = await open(made, size);
      return { ...log, find: ({ tenant: _, ...filter }, page) => log.find(filter, page) };
    },
    "goes on after the time alone": async (made, size) => {
      const log = await open(made, size);
      return {
        ...log,
        find: (filter, { after, limit }) =>
          log.find(filter, { limit, after: after && { ...after, index: 0 } }),
      };
    },
  };
  test.each(Object.keys(broken))("a log that %s would be found out", async (name) => {
    const behaviour =
      auditLogBehaviours[
        "paging through any filter gives every leaf that meets it once, the newest first"
      ];
    await assert.rejects(async () => behaviour?.(broken[name] ?? open));
  });
});
