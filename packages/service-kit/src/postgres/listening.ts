import { messageOf } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { Signal } from "@vigie/stream/runtime/signal";
import pg from "pg";
import { clientConfig, type DatabaseOptions } from "./connection.ts";
import { databaseError } from "./errors.ts";

/** What is done on a listening connection, turn by turn. */
export interface Ears {
  readonly stopped: boolean;
  /** Until the next notice, a stop, or so long. A notice that came since the last rest ends it at once. */
  rest(ms: number): Promise<void>;
  /** Says that all is well. */
  tellUp(): void;
}

export interface ListenOptions {
  readonly database: DatabaseOptions;
  /** An expression of SQL that names the channel: one database has the schemas of many. */
  readonly channel: string;
  /** Works until `stopped`; whatever it throws condemns its connection. */
  serve(client: pg.Client, ears: Ears): Promise<void>;
  /** Called when a connection is given up, for whatever reason. */
  readonly closed?: () => void;
  /** How long a stop waits for what `serve` has under way. */
  readonly stopMaxMs: number;
  /** The event that the log has for a connection that broke. */
  readonly interrupted: string;
  readonly log: Logger;
  /** Told of changes only. */
  readonly onState?: ((up: boolean, why?: string) => void) | undefined;
}

export interface Listening {
  stop(): Promise<void>;
}

const BACKOFF_MS = 500;

/** Keeps a connection that listens for notices; anew whenever one breaks. */
export function keepListening(options: ListenOptions): Listening {
  const listener = new Listener(options);
  const running = listener.run();
  return {
    async stop() {
      listener.stop();
      await running;
    },
  };
}

/** The work on a connection that broke may go on for a while: it waits by a signal of its own. */
interface Turn {
  readonly news: Signal;
  over: boolean;
}

class Listener {
  private readonly options: ListenOptions;
  private stopped = false;
  private readonly between = new Signal();
  private turn: Turn | null = null;
  private readonly stopping = Promise.withResolvers<void>();
  private isUp: boolean | null = null;

  constructor(options: ListenOptions) {
    this.options = options;
  }

  stop(): void {
    this.stopped = true;
    this.between.raise();
    if (this.turn !== null) end(this.turn);
    setTimeout(this.stopping.resolve, this.options.stopMaxMs).unref();
  }

  async run(): Promise<void> {
    while (!this.stopped) {
      await this.serveOnce();
      await this.between.wait(BACKOFF_MS);
    }
  }

  /** One connection, until it breaks or this is stopped. */
  private async serveOnce(): Promise<void> {
    const { database, interrupted, log, closed } = this.options;
    const client = new pg.Client({ ...clientConfig(database), keepAlive: true });
    const turn: Turn = { news: new Signal(), over: false };
    this.turn = turn;
    const broken = Promise.withResolvers<never>();
    broken.promise.catch(() => {});
    client.on("error", broken.reject);
    client.on("end", () => broken.reject(new Error("connection terminated")));
    client.on("notification", () => turn.news.raise());
    try {
      await client.connect();
      await Promise.race([this.serve(client, turn), broken.promise, this.stopping.promise]);
    } catch (error) {
      const why = messageOf(databaseError(error));
      log.warn({ why }, interrupted);
      this.tell(false, why);
    } finally {
      end(turn);
      closed?.();
      await client.end().catch(() => {});
    }
  }

  private async serve(client: pg.Client, turn: Turn): Promise<void> {
    const { channel, serve } = this.options;
    const { rows } = await client.query<{ name: string }>(`select ${channel} as name`);
    // Listening first: what is changed while it is read is read again.
    await client.query(`listen ${client.escapeIdentifier(rows[0]?.name ?? "")}`);
    await serve(client, {
      get stopped() {
        return turn.over;
      },
      rest: (ms) => turn.news.wait(ms),
      tellUp: () => {
        if (!turn.over) this.tell(true);
      },
    });
  }

  private tell(up: boolean, why?: string): void {
    if (up === this.isUp) return;
    this.isUp = up;
    this.options.onState?.(up, why);
  }
}

function end(turn: Turn): void {
  turn.over = true;
  turn.news.raise();
}
