import type { Logger } from "@vigie/core/log";
import type pg from "pg";
import type { DatabaseOptions } from "./connection.ts";
import type { Queryable } from "./database.ts";
import { keepListening, type Listening } from "./listening.ts";

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

/** A read that is under way is given up. */
const STOP_MAX_MS = 0;

/** Keeps something that was read from PostgreSQL up to date, by NOTIFY; anew whenever that breaks. */
export function followNotices(options: FollowNoticesOptions): Listening {
  const { database, channel, everyMs, read, log, onState } = options;
  return keepListening({
    database,
    channel,
    stopMaxMs: STOP_MAX_MS,
    interrupted: "notices_interrupted",
    log,
    onState,
    async serve(client, ears) {
      const from = queryableOf(client);
      while (!ears.stopped) {
        await read(from);
        ears.tellUp();
        await ears.rest(everyMs);
      }
    },
  });
}

const queryableOf = (client: pg.Client): Queryable => ({
  async query<R extends object>(text: string, values: readonly unknown[] = []) {
    const { rows, rowCount } = await client.query<R>(text, [...values]);
    return { rows, count: rowCount ?? 0 };
  },
});
