import net from "node:net";

/** Source: Kafka protocol. */
export const API = { produce: 0, endTxn: 26, txnOffsetCommit: 28 } as const;

/** What happens to the next request of a kind. */
export interface Cut {
  readonly apiKey: number;
  /**
   * before: the broker never sees it; after: the broker takes it, the client never hears; forged: the broker never
   * sees it, and the client hears that all went well (EndTxn only).
   */
  readonly when: "before" | "after" | "forged";
}

/**
 * Puts a fault between every client of this process and its brokers: connections to any port but these go through a
 * relay that can cut one at a certain request, or refuse all. Works on node:net itself, since a client learns its
 * brokers' addresses from them.
 */
export class CuttingNet {
  private readonly real = net.connect;
  private readonly sockets = new Set<net.Socket>();
  private readonly servers = new Map<string, Promise<number>>();
  private readonly listening: net.Server[] = [];
  private cut: Cut | null = null;
  private refusing = false;
  cuts = 0;

  install(): void {
    const connect = (about: { host: string; port: number }, onConnect: () => void): net.Socket => {
      const socket = new net.Socket();
      socket.once("connect", onConnect);
      this.relayTo(about.host, about.port).then(
        (port) => socket.connect(port, "127.0.0.1"),
        (error: Error) => socket.destroy(error),
      );
      return socket;
    };
    (net as { connect: unknown }).connect = connect;
  }

  cutNext(cut: Cut): void {
    this.cut = cut;
  }

  /** As if the broker were gone: open connections end, new ones are refused. */
  goAway(): void {
    this.refusing = true;
    for (const socket of this.sockets) socket.destroy();
  }

  comeBack(): void {
    this.refusing = false;
  }

  /** Open connections fall silent and stay open, as when the other machine vanishes; new ones work. */
  freeze(): void {
    for (const socket of this.sockets) socket.pause();
  }

  uninstall(): void {
    (net as { connect: unknown }).connect = this.real;
    for (const socket of this.sockets) socket.destroy();
    for (const server of this.listening) server.close();
  }

  private relayTo(host: string, port: number): Promise<number> {
    const key = `${host}:${port}`;
    const known = this.servers.get(key);
    if (known !== undefined) return known;
    const started = new Promise<number>((resolve) => {
      const server = net.createServer((client) => this.relay(client, host, port));
      this.listening.push(server);
      server.listen(0, "127.0.0.1", () => resolve((server.address() as net.AddressInfo).port));
    });
    this.servers.set(key, started);
    return started;
  }

  private relay(client: net.Socket, host: string, port: number): void {
    if (this.refusing) {
      client.destroy();
      return;
    }
    const broker = this.real({ host, port });
    const both = [client, broker];
    const end = (): void => {
      for (const socket of both) {
        socket.destroy();
        this.sockets.delete(socket);
      }
    };
    for (const socket of both) {
      socket.setNoDelay(true);
      this.sockets.add(socket);
      socket.on("error", end).on("close", end);
    }
    let waiting: Buffer = Buffer.alloc(0);
    let deaf = false;
    client.on("data", (data: Buffer) => {
      waiting = Buffer.concat([waiting, data]);
      for (let request = takeRequest(); request !== null; request = takeRequest()) {
        const cut = this.matches(request);
        if (cut?.when === "before") return end();
        if (cut?.when === "after") deaf = true;
        if (cut?.when === "forged") client.write(endTxnDone(request));
        else broker.write(request);
      }
    });
    broker.on("data", (data) => {
      if (deaf) end();
      else client.write(data);
    });
    const takeRequest = (): Buffer | null => {
      if (waiting.length < 4 || waiting.length < 4 + waiting.readInt32BE(0)) return null;
      const request = waiting.subarray(0, 4 + waiting.readInt32BE(0));
      waiting = waiting.subarray(request.length);
      return request;
    };
  }

  private matches(request: Buffer): Cut | null {
    const { cut } = this;
    if (cut === null || request.readInt16BE(4) !== cut.apiKey) return null;
    this.cut = null;
    this.cuts += 1;
    return cut;
  }
}

/** Source: Kafka protocol, EndTxn response version 1: correlation id, throttle time, error code. */
function endTxnDone(request: Buffer): Buffer {
  const response = Buffer.alloc(14);
  response.writeInt32BE(10, 0);
  response.writeInt32BE(request.readInt32BE(8), 4);
  return response;
}
