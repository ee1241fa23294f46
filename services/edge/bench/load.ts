import { connect, type Socket } from "node:net";
import { bodies } from "./traffic.ts";

/**
 * Load over raw sockets, so that the generator costs little beside what it measures: each connection sends its
 * next request when the answer to the last one is whole. Keep-alive, no pipelining.
 * Input: JSON as the only argument. Output: one JSON line with what was counted.
 */
interface Order {
  readonly url: string;
  readonly token: string;
  readonly connections: number;
  readonly seconds: number;
}

const order = JSON.parse(process.argv[2] ?? "") as Order;
const { hostname, port } = new URL(order.url);
const requests = bodies(Date.now()).map((body) =>
  Buffer.from(
    `POST /v1/events/login HTTP/1.1\r\nHost: ${hostname}:${port}\r\n` +
      `Authorization: Bearer ${order.token}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  ),
);

const latenciesUs: number[] = [];
let accepted = 0;
let refused = 0;
let firstRefusal: string | null = null;
let next = 0;
const endMs = performance.now() + order.seconds * 1_000;

/** Sends one request after the other on one connection; resolves at the end. */
function drive(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    let sentMs = 0;
    let text = "";
    const send = (): void => {
      next = (next + 1) % requests.length;
      sentMs = performance.now();
      socket.write(requests[next] as Buffer);
    };
    socket.on("error", reject);
    socket.on("close", () => resolve());
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (!isWhole(text)) return;
      count(text);
      text = "";
      const nowMs = performance.now();
      latenciesUs.push((nowMs - sentMs) * 1_000);
      if (nowMs < endMs) send();
      else socket.end();
    });
    send();
  });
}

function isWhole(text: string): boolean {
  const head = text.indexOf("\r\n\r\n");
  if (head < 0) return false;
  const length = /content-length: (\d+)/i.exec(text.slice(0, head));
  return text.length >= head + 4 + Number(length?.[1] ?? 0);
}

function count(text: string): void {
  if (text.startsWith("HTTP/1.1 202")) {
    accepted += 1;
    return;
  }
  refused += 1;
  firstRefusal ??= text;
}

const startedMs = performance.now();
await Promise.all(
  Array.from({ length: order.connections }, async () => {
    const socket = connect(Number(port), hostname);
    socket.setNoDelay(true);
    await new Promise((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    await drive(socket);
  }),
);
const seconds = (performance.now() - startedMs) / 1_000;
latenciesUs.sort((a, b) => a - b);
const percentile = (share: number): number =>
  Math.round(latenciesUs[Math.floor((latenciesUs.length - 1) * share)] ?? 0) / 1_000;
const { user, system } = process.cpuUsage();
process.stdout.write(
  `${JSON.stringify({
    perSecond: Math.round(accepted / seconds),
    accepted,
    refused,
    firstRefusal,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
    generatorCpuShare: Math.round((user + system) / 1e4 / seconds) / 100,
  })}\n`,
);
