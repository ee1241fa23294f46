import { assert } from "@vigie/core/assert";
import { messageOf } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import type { PoolClient } from "pg";
import pg from "pg";
import { tenantUuid } from "../ids.ts";
import { clientConfig, type DatabaseOptions } from "./connection.ts";
import { databaseError, mayRetry } from "./errors.ts";

export { type DatabaseOptions, schemaOf } from "./connection.ts";
export { isCanceled, isDatabaseAway, isRowRefused } from "./errors.ts";

export interface QueryAnswer<R> {
  readonly rows: readonly R[];
  /** Rows returned or changed. */
  readonly count: number;
}

/** Something that runs statements: a pool, or the one connection of a transaction. */
export interface Queryable {
  /**
   * `planName`: a connection parses the statement once and keeps it by this name, and after five times one plan for all
   * values, if that costs no more; for one that is asked often. Source: PostgreSQL, PREPARE, notes. Throws: VIG_DATABASE_AWAY; what PostgreSQL says of a wrong statement.
   */
  query<R extends object>(
    text: string,
    values?: readonly unknown[],
    planName?: string,
  ): Promise<QueryAnswer<R>>;
}

export interface Database extends Queryable {
  /** All or nothing. As a statement alone, run anew, 3 times in all, after a deadlock or a failed serialization. */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>;
  /** TEN-02: a transaction that sees the rows of one tenant only, by row-level security. */
  inTenant<T>(tenantId: string, work: (tx: Queryable) => Promise<T>): Promise<T>;
  /** Throws: VIG_DATABASE_AWAY. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export interface PoolOptions extends DatabaseOptions {
  readonly poolMax: number;
  readonly log: Logger;
}

const ATTEMPTS_MAX = 3;

/** Opens no connection yet: a service starts while PostgreSQL is away, and health says so. */
export function openDatabase(options: PoolOptions): Database {
  const { log } = options;
  const pool = new pg.Pool({ ...clientConfig(options), max: options.poolMax });
  // An idle connection that breaks is replaced at the next use; without a listener it would end the
  // process.
  pool.on("error", (error) => log.warn({ why: messageOf(error) }, "database_connection_lost"));
  const database: Database = {
    // A statement alone is a transaction, too.
    query: (text, values, planName) => retried(() => run(pool, text, values, planName)),
    transaction: (work) => retried(() => once(pool, work)),
    inTenant: (tenantId, work) =>
      database.transaction(async (tx) => {
        await enterTenant(tx, tenantId);
        return work(tx);
      }),
    async ping() {
      await database.query("select 1");
    },
    close: () => pool.end(),
  };
  return database;
}

/** TEN-02: from here on a transaction sees the rows of this tenant only: for one that serves several in turn. */
export async function enterTenant(tx: Queryable, tenantId: string): Promise<void> {
  await tx.query("select set_config('vigie.tenant', $1, true)", [tenantUuid(tenantId)]);
}

async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === ATTEMPTS_MAX || !mayRetry(error)) throw databaseError(error);
    }
  }
}

async function run<R extends object>(
  on: pg.Pool | PoolClient,
  text: string,
  values: readonly unknown[] = [],
  name?: string,
): Promise<QueryAnswer<R>> {
  try {
    const { rows, rowCount } = await on.query<R>({
      text,
      values: [...values],
      ...(name !== undefined && { name }),
    });
    return { rows, count: rowCount ?? 0 };
  } catch (error) {
    throw databaseError(error);
  }
}

async function once<T>(pool: pg.Pool, work: (tx: Queryable) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  // pg reports a broken connection here too, while no statement waits for it.
  const onError = (error: Error): void => {
    broken = error;
  };
  client.on("error", onError);
  try {
    await client.query("begin");
    const result = await work({
      query: (text, values, planName) => run(client, text, values, planName),
    });
    const { command } = await client.query("commit");
    assert(command === "COMMIT", "a transaction that failed inside is not reported as done");
    return result;
  } catch (error) {
    await client.query("rollback").catch((lost: Error) => {
      broken = lost;
    });
    throw error;
  } finally {
    client.off("error", onError);
    client.release(broken);
  }
}
