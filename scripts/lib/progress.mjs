import { readFileSync } from "node:fs";
import { megabytes } from "./base.mjs";

const EVERY_MS = 3_000;

/**
 * Tells every few seconds what long downloads are doing: bytes that this machine has received since
 * the start, the rate, and what is under way.
 * Returns: {progress(name, text | null), stop()}; a null text ends that download.
 */
export function createProgress(say) {
  const under = new Map();
  const first = receivedBytes();
  let last = first;
  const timer = setInterval(() => {
    const now = receivedBytes();
    const rate = (now - last) / (EVERY_MS / 1_000);
    last = now;
    if (under.size === 0) return;
    const parts = [...under].map(([name, text]) => `${name} ${text}`.trim()).join(", ");
    say("downloads", `${megabytes(now - first)} received, ${megabytes(rate)}/s: ${parts}`);
  }, EVERY_MS);
  timer.unref();
  return {
    progress(name, text) {
      if (text === null) under.delete(name);
      else under.set(name, text);
    },
    stop: () => clearInterval(timer),
  };
}

/** Bytes that came in over all network interfaces but the loopback; 0 where Linux does not tell. */
function receivedBytes() {
  try {
    const lines = readFileSync("/proc/net/dev", "utf8").split("\n").slice(2);
    const fields = lines.map((line) => line.trim().split(/[:\s]+/));
    return fields
      .filter(([name]) => name && name !== "lo")
      .reduce((sum, [, bytes]) => sum + Number(bytes), 0);
  } catch {
    return 0;
  }
}
