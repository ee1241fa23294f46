import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test, vi } from "vitest";
import { openLineWriter } from "./line-writer.ts";

let folder: string;
let path: string;
let fd: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vigie-lines-"));
  path = join(folder, "lines");
  fd = openSync(path, "w");
});
afterEach(() => {
  closeSync(fd);
  rmSync(folder, { recursive: true });
});

const written = (): string[] => readFileSync(path, "utf8").split("\n").slice(0, -1);
const none = (): void => assert.fail("no line is lost");

test("every line is written whole and in order, long ones and those with accents too", async () => {
  const sink = openLineWriter(fd, none);
  const lines = Array.from({ length: 5_000 }, (_, index) =>
    index % 500 === 0 ? `${index}${"é".repeat(3_000)}` : `${index} Sénégal`,
  );
  for (const line of lines) sink.write(`${line}\n`);
  await sink.flush();
  assert.deepEqual(written(), lines);
});

test("a line alone is written after 200 ms", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const sink = openLineWriter(fd, none);
    sink.write("one\n");
    assert.deepEqual(written(), []);
    vi.advanceTimersByTime(200);
    await sink.flush();
    assert.deepEqual(written(), ["one"]);
  } finally {
    vi.useRealTimers();
  }
});

test("what a reader does not take is bounded, and the loss is told", async () => {
  // Given lines that come faster than any write can finish: all in one turn
  let lost = 0;
  const sink = openLineWriter(fd, (count) => {
    lost += count;
  });
  const line = `${"x".repeat(999)}\n`;
  for (let index = 0; index < 6_000; index += 1) sink.write(line);
  await sink.flush();
  // When there is room again
  sink.write(line);
  await sink.flush();
  // Then each line was written or counted
  assert.ok(lost > 1_000, `${lost} lost`);
  assert.equal(written().length + lost, 6_001);
});

test("nothing to flush is no wait", async () => {
  await openLineWriter(fd, none).flush();
});
