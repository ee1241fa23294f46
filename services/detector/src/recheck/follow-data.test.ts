import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@vigie/core/log";
import { eventually } from "@vigie/testkit/eventually";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type FollowingData, followData } from "./follow-data.ts";
import { digestOf, geoMark } from "./geo-mark.ts";

const counts = { stands: 1, contradicted: 2, events_gone: 3 };
let folder = "";
let file = "";
let running: FollowingData | null = null;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vigie-recheck-"));
  file = join(folder, "city.mmdb");
  writeFileSync(file, "one");
});
afterEach(async () => {
  await running?.close();
  rmSync(folder, { recursive: true, force: true });
});

const markPath = () => join(folder, "state", "geoip.sha256");

function start(run = vi.fn(async () => counts), retryMs = 1, refresh = async () => false) {
  const done = vi.fn();
  running = followData({
    mark: geoMark(markPath()),
    digest: () => digestOf([file]),
    refresh,
    run,
    log: silentLogger,
    done,
    settleMs: 0,
    retryMs,
  });
  return { done, run, following: running };
}

const marked = () =>
  eventually(async () => expect(readFileSync(markPath(), "utf8")).toBe(await digestOf([file])));

test("on a first start there is nothing to compare with: the data is noted", async () => {
  const { run } = start();
  await marked();
  expect(run).not.toHaveBeenCalled();
});

test("data that changed while nobody ran is judged by at the next start, once", async () => {
  start();
  await marked();
  await running?.close();
  writeFileSync(file, "two");
  const { done, run } = start();
  await marked();
  expect(run).toHaveBeenCalledTimes(1);
  expect(done).toHaveBeenCalledWith(counts);
  await running?.close();
  const again = start();
  await again.following.close();
  expect(again.run).not.toHaveBeenCalled();
});

test("data that changes while it runs is judged by; the same data mounted anew is not", async () => {
  const { following, run } = start();
  await marked();
  writeFileSync(file, "one");
  following.changed();
  writeFileSync(file, "two");
  following.changed();
  await marked();
  expect(run).toHaveBeenCalledTimes(1);
});

test("files replaced one after the other: it is judged by what the digest was of, or newer", async () => {
  start();
  await marked();
  await running?.close();
  // Given a second file that was replaced after the data was last taken
  let taken = "one";
  writeFileSync(file, "two");
  const refresh = async () => {
    const before = taken;
    taken = readFileSync(file, "utf8");
    return taken !== before;
  };
  const judgedBy: string[] = [];
  const run = vi.fn(async () => {
    judgedBy.push(taken);
    return counts;
  });
  start(run, 1, refresh);
  await marked();
  expect(judgedBy).toEqual(["two"]);
});

test("a run that fails is tried again, and nothing is noted before", async () => {
  start();
  await marked();
  await running?.close();
  writeFileSync(file, "two");
  const before = readFileSync(markPath(), "utf8");
  const run = vi.fn(async () => counts);
  run.mockImplementationOnce(async () => {
    expect(readFileSync(markPath(), "utf8")).toBe(before);
    throw new Error("the broker is away");
  });
  start(run);
  await marked();
  expect(run).toHaveBeenCalledTimes(2);
});

test("closing ends a run that is under way, and it is done at the next start", async () => {
  start();
  await marked();
  await running?.close();
  writeFileSync(file, "two");
  const begun = Promise.withResolvers<void>();
  const { following } = start(
    vi.fn((signal?: AbortSignal) => {
      begun.resolve();
      return new Promise<never>((_, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason));
      });
    }),
  );
  await begun.promise;
  await following.close();
  const { run } = start();
  await marked();
  expect(run).toHaveBeenCalledTimes(1);
});
