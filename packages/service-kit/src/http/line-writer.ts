import { write as writeFile } from "node:fs";

/** Takes whole lines, each with its end. */
export interface LineSink {
  write(line: string): void;
  /** Resolves when all that was taken has been written. */
  flush(): Promise<void>;
}

/**
 * Bytes of one write: what a pipe holds (Linux: 64 KiB), so that one whose reader keeps up takes it whole, and few
 * enough writes that waking the thread that does them does not count.
 */
const BLOCK_BYTES = 65_536;
/** A line is written after this at the latest. */
const HOLD_MS = 200;
/** More than this is not kept for a reader that does not read: lines are then left out, and counted. */
const WAITING_BYTES_MAX = 4 * 1_048_576;

/**
 * Lines to a file descriptor, gathered into blocks and written beside the event loop: a reader that is slow, or a
 * pipe that is full, holds up no request.
 */
export function openLineWriter(fd: number, lost: (lines: number) => void): LineSink {
  let block = Buffer.allocUnsafe(BLOCK_BYTES);
  let used = 0;
  let timer: NodeJS.Timeout | null = null;
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  let left = 0;
  let writing = false;
  let idle: (() => void)[] = [];

  const next = (): void => {
    const [first] = waiting;
    if (first === undefined) {
      writing = false;
      const told = idle;
      idle = [];
      for (const resolve of told) resolve();
      return;
    }
    writing = true;
    writeFile(fd, first, 0, first.length, null, (error, written) => {
      // A full pipe that does not block: the same bytes again a little later.
      if (error?.code === "EAGAIN") {
        setTimeout(next, 5);
        return;
      }
      const done = error === null ? written : first.length;
      waitingBytes -= done;
      if (done < first.length) waiting[0] = first.subarray(done);
      else waiting = waiting.slice(1);
      next();
    });
  };
  const seal = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (used === 0) return;
    waiting.push(block.subarray(0, used));
    waitingBytes += used;
    block = Buffer.allocUnsafe(BLOCK_BYTES);
    used = 0;
    if (!writing) next();
  };
  return {
    write(line) {
      // UTF-8 takes three bytes for a unit of UTF-16 at most; counting exactly costs more than it gains.
      const bytes = line.length * 3;
      if (waitingBytes + used + bytes > WAITING_BYTES_MAX) {
        left += 1;
        return;
      }
      if (left > 0) {
        lost(left);
        left = 0;
      }
      if (used + bytes > BLOCK_BYTES) seal();
      if (bytes > BLOCK_BYTES) {
        const whole = Buffer.from(line);
        waiting.push(whole);
        waitingBytes += whole.length;
        if (!writing) next();
        return;
      }
      used += block.write(line, used);
      timer ??= setTimeout(seal, HOLD_MS).unref();
    },
    flush() {
      seal();
      if (!writing) return Promise.resolve();
      return new Promise((resolve) => {
        idle.push(resolve);
      });
    },
  };
}
