import { messageOf } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import pg from "pg";
import { clientConfig, type DatabaseOptions } from "./connection.ts";
import type { Queryable } from "./database.ts";
import { databaseError } from "./errors.ts";

export interface FollowNoticesOptions {
  readonly database: DatabaseOptions;
  /** An expression of SQL that names the channel: one database has the schemas of many. */
  readonly channel: string;
  /** What is read without any notice, too: one may be lost, and a connection that is dead is found so. */
  readonly everyMs: number;
  /** Reads what the notices are about. Called at the start, then after each notice; never twice at a time. */
  read(from: Queryable): Promise<void>;
  readonly log: Logger;
  /** Told when what was read is, or may no longer be, what the database holds. */
  readonly onState?: (up: boolean, why?: string) => void;
}

export interface FollowedNotices {
  stop(): Promise<void>;
}

const BACKOFF_MS = 500;

/** Keeps something that was read from PostgreSQL up to date, by NOTIFY; anew whenever that breaks. */
export function followNotices(options: FollowNoticesOptions): FollowedNotices {
  const follower = new Follower(options);
  const running = follower.run();
  return {
    async stop() {
      follower.stop();
      await running;
    },
  };
}

class Follower {
  private readonly options: FollowNoticesOptions;
  private readonly stopping = Promise.withResolvers<void>();
  private stopped = false;
  private isUp: boolean | null = null;
  private woken = false;
  private wake: () => void = () => {};

  constructor(options: FollowNoticesOptions) {
    this.options = options;
  }

  stop(): void {
    this.stopped = true;
    this.rouse();
    this.stopping.resolve();
  }

  async run(): Promise<void> {
    while (!this.stopped) {
      const why = await this.follow();
      if (this.stopped) return;
      this.options.log.warn({ why }, "notices_interrupted");
      this.tell(false, why);
      await this.rest(BACKOFF_MS);
    }
  }

  /** One connection, until it breaks or this is stopped. Returns: why it broke. */
  private async follow(): Promise<string> {
    const client = new pg.Client(clientConfig(this.options.database));
    const broken = Promise.withResolvers<never>();
    broken.promise.catch(() => {});
    client.on("error", broken.reject);
    client.on("end", () => broken.reject(new Error("connection terminated")));
    client.on("notification", () => this.rouse());
    try {
      await client.connect();
      await Promise.race([this.serve(client), broken.promise, this.stopping.promise]);
      return "stopped";
    } catch (error) {
      return messageOf(databaseError(error));
    } finally {
      await client.end().catch(() => {});
    }
  }

  private async serve(client: pg.Client): Promise<void> {
    const { channel, everyMs, read } = this.options;
    const { rows } = await client.query<{ name: string }>(`select ${channel} as name`);
    // Listening first: what is changed while it is read is read again.
    await client.query(`listen ${client.escapeIdentifier(rows[0]?.name ?? "")}`);
    const from = queryableOf(client);
    while (!this.stopped) {
      this.woken = false;
      await read(from);
      this.tell(true);
      await this.rest(everyMs);
    }
  }

  private async rest(ms: number): Promise<void> {
    if (this.woken || this.stopped) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.wake = resolve;
    await promise;
    clearTimeout(timer);
  }

  private rouse(): void {
    this.woken = true;
    this.wake();
  }

  private tell(up: boolean, why?: string): void {
    if (up === this.isUp) return;
    this.isUp = up;
    this.options.onState?.(up, why);
  }
}

const queryableOf = (client: pg.Client): Queryable => ({
  async query<R extends object>(text: string, values: readonly unknown[] = []) {
    const { rows, rowCount } = await client.query<R>(text, [...values]);
    return { rows, count: rowCount ?? 0 };
  },
});
