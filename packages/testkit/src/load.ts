import { connect, type Socket } from "node:net";

/**
 * Load over raw sockets, so that the generator costs little beside what it measures. Keep-alive, no pipelining. Each
 * connection sends its next request when the answer to the last one is whole; with `perSecond` no sooner than its turn
 * comes. Where the turn came before that answer, latency counts from the turn, so that a slow answer is not hidden by what
 * was not sent meanwhile; where its timer came late, which is no fault of the server, from the sending.
 * Counted is what is answered after a lead-in, in which connections are opened and this code is compiled.
 * Input: JSON on standard input. Output: one JSON line with what was counted.
 */
interface Order {
  readonly url: string;
  /** Whole requests, head and body. */
  readonly requests: readonly string[];
  /** What an answer must begin with to be counted as accepted. */
  readonly accepts: string;
  /** And what it must hold. */
  readonly holds: string;
  readonly connections: number;
  readonly seconds: number;
  /** All connections together; null: as fast as they can. */
  readonly perSecond: number | null;
}

async function readOrder(): Promise<Order> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()) as Order;
}

const order = await readOrder();
const { hostname, port } = new URL(order.url);
const requests = order.requests.map((text) => Buffer.from(text));
const everyMs = order.perSecond === null ? 0 : (order.connections * 1_000) / order.perSecond;

const latenciesUs: number[] = [];
/** How late the timers of turns came at which a connection was free. */
const latenessesUs: number[] = [];
/** Source: at half of the edge's rate the first 500 ms had a p99 of 25-35 ms beside 5-9 ms in those after. */
const LEAD_IN_MS = 1_000;
/** With the lead-in. */
let answered = 0;
let accepted = 0;
let refused = 0;
let firstRefusal: string | null = null;
let next = 0;
const startedMs = performance.now() + LEAD_IN_MS;
const endMs = startedMs + order.seconds * 1_000;

/** Sends one request after the other on one connection; resolves at the end. `offsetMs`: its first turn. */
function drive(socket: Socket, offsetMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let dueMs = performance.now() + offsetMs;
    let fromMs = dueMs;
    let text = "";
    const send = (countsFromMs: number): void => {
      next = (next + 1) % requests.length;
      fromMs = countsFromMs;
      socket.write(requests[next] as Buffer);
    };
    const sendInTurn = (): void => {
      const leftMs = dueMs - performance.now();
      if (leftMs > 0) setTimeout(sendByTimer, Math.ceil(leftMs));
      else send(dueMs);
    };
    const sendByTimer = (): void => {
      const nowMs = performance.now();
      if (nowMs >= startedMs) latenessesUs.push((nowMs - dueMs) * 1_000);
      send(nowMs);
    };
    socket.on("error", reject);
    socket.on("close", () => resolve());
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (!isWhole(text)) return;
      const nowMs = performance.now();
      const isCounted = nowMs >= startedMs;
      count(text, isCounted);
      if (isCounted) latenciesUs.push((nowMs - fromMs) * 1_000);
      text = "";
      dueMs += everyMs;
      if (nowMs >= endMs) socket.end();
      else if (everyMs === 0) send(nowMs);
      else sendInTurn();
    });
    sendInTurn();
  });
}

function isWhole(text: string): boolean {
  const head = text.indexOf("\r\n\r\n");
  if (head < 0) return false;
  const length = /content-length: (\d+)/i.exec(text.slice(0, head));
  return text.length >= head + 4 + Number(length?.[1] ?? 0);
}

/** A wrong answer counts whenever it comes. */
function count(text: string, isCounted: boolean): void {
  answered += 1;
  if (text.startsWith(order.accepts) && text.includes(order.holds)) {
    if (isCounted) accepted += 1;
    return;
  }
  refused += 1;
  firstRefusal ??= text;
}

await Promise.all(
  Array.from({ length: order.connections }, async (_, at) => {
    const socket = connect(Number(port), hostname);
    socket.setNoDelay(true);
    await new Promise((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    await drive(socket, (everyMs * at) / order.connections);
  }),
);
const seconds = (performance.now() - startedMs) / 1_000;
const percentileMs = (share: number, unsortedUs: readonly number[]): number => {
  const sorted = unsortedUs.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0) / 1_000;
};
const { user, system } = process.cpuUsage();
process.stdout.write(
  `${JSON.stringify({
    perSecond: Math.round(accepted / seconds),
    answered,
    accepted,
    refused,
    firstRefusal,
    p50Ms: percentileMs(0.5, latenciesUs),
    p99Ms: percentileMs(0.99, latenciesUs),
    generatorLateP99Ms: percentileMs(0.99, latenessesUs),
    generatorCpuShare: Math.round((user + system) / 1e4 / (seconds + LEAD_IN_MS / 1_000)) / 100,
  })}\n`,
);
