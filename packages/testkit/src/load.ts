import { connect, type Socket } from "node:net";

/**
 * Load over raw sockets, so that the generator costs little beside what it measures. Keep-alive, no pipelining. Servers
 * are asked in turn, a slice of time each while the others rest, so that what slows a shared machine slows all of them
 * alike. Each connection sends its next request when the answer to the last one is whole; with `perSecond` no sooner than
 * its turn comes. Where the turn came before that answer, latency counts from the turn, so that a slow answer is not hidden
 * by what was not sent meanwhile; where its timer came late, which is no fault of the server, from the sending.
 * Counted is what is answered after a lead-in, in which connections are opened and this code is compiled.
 * Input: JSON on standard input. Output: one JSON line with what was counted of each server, in their order.
 */
interface Order {
  readonly targets: readonly TargetOrder[];
  /** Of each, without the lead-in; a multiple of `sliceSeconds`. */
  readonly seconds: number;
  readonly sliceSeconds: number;
}

interface TargetOrder {
  readonly url: string;
  /** Whole requests, head and body. */
  readonly requests: readonly string[];
  /** What an answer must begin with to be counted as accepted. */
  readonly accepts: string;
  /** And what it must hold. */
  readonly holds: string;
  readonly connections: number;
  /** All connections together; null: as fast as they can. */
  readonly perSecond: number | null;
}

/** Source: at half of the edge's rate the first 500 ms had a p99 of 25-35 ms beside 5-9 ms in those after. */
const LEAD_IN_SECONDS = 1;

class Target {
  private readonly order: TargetOrder;
  private readonly requests: readonly Buffer[];
  private readonly everyMs: number;
  private readonly connections: Connection[] = [];
  private readonly latenciesUs: number[] = [];
  /** How late the timers of turns came at which a connection was free. */
  private readonly latenessesUs: number[] = [];
  private isCounted = false;
  /** With the lead-in. */
  private answered = 0;
  private accepted = 0;
  private refused = 0;
  private firstRefusal: string | null = null;
  private next = 0;
  private countedMs = 0;

  constructor(order: TargetOrder) {
    this.order = order;
    this.requests = order.requests.map((text) => Buffer.from(text));
    this.everyMs = order.perSecond === null ? 0 : (order.connections * 1_000) / order.perSecond;
  }

  /** Opens the connections, and the lead-in. */
  async begin(): Promise<void> {
    const { hostname, port } = new URL(this.order.url);
    for (let at = 0; at < this.order.connections; at++) {
      const socket = connect(Number(port), hostname);
      socket.setNoDelay(true);
      await new Promise((resolve, reject) => {
        socket.once("connect", resolve);
        socket.once("error", reject);
      });
      this.connections.push(new Connection(socket, this));
    }
    await this.slice(LEAD_IN_SECONDS, false);
  }

  /** Asks for so long, and until every answer has come. */
  async slice(seconds: number, isCounted: boolean): Promise<void> {
    this.isCounted = isCounted;
    const startedMs = performance.now();
    const endMs = startedMs + seconds * 1_000;
    const apartMs = this.everyMs / this.order.connections;
    await Promise.all(
      this.connections.map((connection, at) =>
        connection.drive({ fromMs: startedMs + apartMs * at, everyMs: this.everyMs, endMs }),
      ),
    );
    if (isCounted) this.countedMs += performance.now() - startedMs;
  }

  request(): Buffer {
    this.next = (this.next + 1) % this.requests.length;
    return this.requests[this.next] as Buffer;
  }

  late(ms: number): void {
    if (this.isCounted) this.latenessesUs.push(ms * 1_000);
  }

  /** A wrong answer counts whenever it comes. */
  answer(text: string, tookMs: number): void {
    this.answered += 1;
    if (this.isCounted) this.latenciesUs.push(tookMs * 1_000);
    if (!text.startsWith(this.order.accepts) || !text.includes(this.order.holds)) {
      this.refused += 1;
      this.firstRefusal ??= text;
    } else if (this.isCounted) {
      this.accepted += 1;
    }
  }

  close(): void {
    for (const connection of this.connections) connection.close();
  }

  figures() {
    return {
      perSecond: Math.round((this.accepted * 1_000) / this.countedMs),
      answered: this.answered,
      accepted: this.accepted,
      refused: this.refused,
      firstRefusal: this.firstRefusal,
      p50Ms: percentileMs(0.5, this.latenciesUs),
      p99Ms: percentileMs(0.99, this.latenciesUs),
      generatorLateP99Ms: percentileMs(0.99, this.latenessesUs),
    };
  }
}

interface Turns {
  readonly fromMs: number;
  /** 0: as soon as the last answer is whole. */
  readonly everyMs: number;
  readonly endMs: number;
}

class Connection {
  private readonly socket: Socket;
  private readonly target: Target;
  private turns: Turns = { fromMs: 0, everyMs: 0, endMs: 0 };
  private dueMs = 0;
  private fromMs = 0;
  private text = "";
  private ended: () => void = () => {};
  private failed: (error: Error) => void = () => {};
  /** What it broke with, perhaps while another server was asked. */
  private broken: Error | null = null;

  constructor(socket: Socket, target: Target) {
    this.socket = socket;
    this.target = target;
    const fail = (error: Error): void => {
      this.broken ??= error;
      this.failed(this.broken);
    };
    socket.on("error", fail);
    socket.on("close", () => fail(new Error("the server closed a connection")));
    socket.on("data", (chunk) => this.hear(chunk.toString("latin1")));
  }

  /** One request after the other; resolves when the last answer is whole. Throws: what the connection broke with. */
  drive(turns: Turns): Promise<void> {
    return new Promise((resolve, reject) => {
      this.turns = turns;
      this.ended = resolve;
      this.failed = reject;
      this.dueMs = turns.fromMs;
      if (this.broken === null) this.sendInTurn();
      else reject(this.broken);
    });
  }

  close(): void {
    this.socket.end();
  }

  private sendInTurn(): void {
    const leftMs = this.dueMs - performance.now();
    if (leftMs > 0) setTimeout(this.sendByTimer, Math.ceil(leftMs));
    else this.send(this.dueMs);
  }

  private readonly sendByTimer = (): void => {
    const nowMs = performance.now();
    this.target.late(nowMs - this.dueMs);
    this.send(nowMs);
  };

  private send(countsFromMs: number): void {
    this.fromMs = countsFromMs;
    this.socket.write(this.target.request());
  }

  private hear(chunk: string): void {
    this.text += chunk;
    if (!isWhole(this.text)) return;
    const nowMs = performance.now();
    this.target.answer(this.text, nowMs - this.fromMs);
    this.text = "";
    const { everyMs, endMs } = this.turns;
    this.dueMs = everyMs === 0 ? nowMs : this.dueMs + everyMs;
    if (nowMs >= endMs) this.ended();
    else this.sendInTurn();
  }
}

function isWhole(text: string): boolean {
  const head = text.indexOf("\r\n\r\n");
  if (head < 0) return false;
  const length = /content-length: (\d+)/i.exec(text.slice(0, head));
  return text.length >= head + 4 + Number(length?.[1] ?? 0);
}

function percentileMs(share: number, unsortedUs: readonly number[]): number {
  const sorted = unsortedUs.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0) / 1_000;
}

async function readOrder(): Promise<Order> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()) as Order;
}

const { targets: orders, seconds, sliceSeconds } = await readOrder();
const targets = orders.map((order) => new Target(order));
for (let slice = 0; slice < Math.round(seconds / sliceSeconds); slice += 1) {
  for (const target of targets) {
    // Right before the first slice: where there is only one, no rest lies between.
    if (slice === 0) await target.begin();
    await target.slice(sliceSeconds, true);
  }
}
for (const target of targets) target.close();
const { user, system } = process.cpuUsage();
const generatorCpuShare = Math.round((user + system) / 1e4 / (performance.now() / 1_000)) / 100;
process.stdout.write(
  `${JSON.stringify(targets.map((target) => ({ ...target.figures(), generatorCpuShare })))}\n`,
);
