import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VigError } from "@vigie/core/errors";
import { derivedKeys } from "@vigie/service-kit/kms/derived-keys";
import type { Keys } from "@vigie/service-kit/kms/keys";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  EventFile,
  FactFile,
  type HeadOf,
  type HistoryFile,
  listHistory,
  readEvents,
  readFacts,
} from "./history-file.ts";
import { someEvents } from "./testing.ts";

const keysOf = (fill: number): Keys =>
  derivedKeys([{ keyId: "k1", activeFromMs: 0, secret: Buffer.alloc(32, fill) }], () => 1);
const keys = keysOf(1);
const head: HeadOf = {
  tenant: "acme",
  partition: 3,
  fromMs: 0,
  toMs: Date.UTC(2026, 10, 21),
  pseudonymKeyId: "k1",
};

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "vigie-history-test-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Enough for several blocks. */
const events = someEvents(20_000);

function written(): HistoryFile {
  const file = new EventFile(directory, head, keys);
  for (const event of events) file.add(event);
  file.finish();
  return listHistory(directory)[0] as HistoryFile;
}

const read = (file: HistoryFile, with_: Keys = keys): number => {
  let count = 0;
  for (const _event of readEvents(file, with_, () => null)) count += 1;
  return count;
};

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof VigError) return error.code;
    throw error;
  }
  return "none";
};

describe("a history file", () => {
  test("gives back the events that were put into it, by its name and head", () => {
    const file = written();
    expect(file.path).toContain(join("acme", "start--20261121T000000Z.p3.history"));
    expect(file.head).toMatchObject({ ...head, kind: "events" });
    const back = [...readEvents(file, keys, (userId) => userId)];
    expect(back.map(({ value }) => value.event_id)).toEqual(
      events.map(({ value }) => value.event_id),
    );
    expect(back.at(-1)).toMatchObject({ topic: "id.login", own: events.at(-1)?.value.user_id });
  });

  test("holds nothing in clear but its head", () => {
    const bytes = readFileSync(written().path);
    const [first] = events;
    expect(bytes.includes(Buffer.from("Sonatel"))).toBe(false);
    expect(bytes.includes(Buffer.from(first?.value.user_id.replaceAll("-", "") ?? "", "hex"))).toBe(
      false,
    );
  });

  test("has no name before it is whole", () => {
    const file = new EventFile(directory, head, keys);
    for (const event of events) file.add(event);
    expect(listHistory(directory)).toEqual([]);
    file.abandon();
    expect(listHistory(directory)).toEqual([]);
  });

  test("that was cut off anywhere is told from a whole one", () => {
    const file = written();
    const { length } = readFileSync(file.path);
    for (const size of [length - 1, length - 40, Math.floor(length / 2), 300, 60, 10, 0]) {
      truncateSync(file.path, size);
      expect(
        codeOf(() => read(listHistory(directory)[0] as HistoryFile)),
        `${size}`,
      ).toBe("VIG_HISTORY_TORN");
    }
  });

  test("of which any byte was changed does not open", () => {
    const file = written();
    const bytes = readFileSync(file.path);
    // Behind the magic and the length every byte counts; so few are tried that it stays quick.
    for (let at = 12; at < bytes.length; at += 7_919) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] as number) ^ 1;
      writeFileSync(file.path, changed);
      const code = codeOf(() => read(listHistory(directory)[0] as HistoryFile));
      expect(["VIG_HISTORY_TORN", "VIG_HISTORY_KEY"], `${at}`).toContain(code);
    }
  });

  test("whose head says another tenant does not open", () => {
    const file = written();
    const bytes = readFileSync(file.path);
    const at = bytes.indexOf('"acme"');
    bytes.write('"acmf"', at);
    writeFileSync(file.path, bytes);
    expect(codeOf(() => read(listHistory(directory)[0] as HistoryFile))).toBe("VIG_HISTORY_KEY");
  });

  test("under another installation's keys says so", () => {
    const file = written();
    expect(codeOf(() => read(file, keysOf(2)))).toBe("VIG_HISTORY_KEY");
  });
});

test.each([".", "..", ".hidden"])("a tenant called %s has a folder of its own, too", (tenant) => {
  new FactFile(directory, { ...head, tenant }, keys).finish();
  expect(readdirSync(directory)).toEqual([`%2E${tenant.slice(1)}`]);
  expect(listHistory(directory)).toMatchObject([{ head: { tenant } }]);
});

test("facts come back as they were", () => {
  const file = new FactFile(directory, head, keys);
  const facts = [
    { type: "label", id: "a-1", isTrue: true, labelledAtMs: 5 },
    { type: "erased", user: "u-1", untilMs: 7 },
    { type: "policy", key: "*", version: 2, document: '{"a":"é\\n"}' },
  ] as const;
  for (const fact of facts) file.add(fact);
  file.finish();
  expect([...readFacts(listHistory(directory)[0] as HistoryFile, keys)]).toEqual(facts);
});
