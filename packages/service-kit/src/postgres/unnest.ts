import type { Queryable } from "./database.ts";

/** PostgreSQL types of columns whose rows go to the server as one array a column. */
export type ColumnType =
  | "uuid"
  | "text"
  | "integer"
  | "bigint"
  | "boolean"
  | "json"
  | "jsonb"
  | "timestamp"
  | "date";

type ValueOf<T extends ColumnType> = T extends "integer" | "bigint"
  ? number
  : T extends "boolean"
    ? boolean
    : // UUIDs, ISO 8601 times and JSON go as text.
      string;

export type Columns = Readonly<Record<string, ColumnType>>;

type Row<C extends Columns> = { readonly [K in keyof C]: ValueOf<C[K]> | null };

/** A row of these columns; timestamps and dates as ISO 8601 in UTC, JSON as text. */
export type RowOf<U> = U extends Unnest<infer C> ? Row<C> : never;

export interface Unnest<C extends Columns> {
  readonly columns: readonly string[];
  /** a, b, c */
  readonly names: string;
  /** unnest($1::uuid[], $2::text[]) as given (a, b) */
  readonly from: string;
  /** One array a column. */
  values(rows: readonly Row<C>[]): unknown[][];
}

/** The parts of `insert into t (names) select names from …` for rows that go in one statement. */
export function unnest<const C extends Columns>(columns: C): Unnest<C> {
  const names = Object.keys(columns);
  const list = names.join(", ");
  const arrays = names.map((name, i) => `$${i + 1}::${columns[name]}[]`);
  return {
    columns: names,
    names: list,
    from: `unnest(${arrays.join(", ")}) as given (${list})`,
    values: (rows) => names.map((name) => rows.map((row) => row[name] ?? null)),
  };
}

/** Runs a statement over rows, or nothing when there are none. Returns: how many rows it changed. */
export async function put<C extends Columns>(
  tx: Queryable,
  text: string,
  columns: Unnest<C>,
  rows: Iterable<Row<C>>,
): Promise<number> {
  const given = [...rows];
  return given.length === 0 ? 0 : (await tx.query(text, columns.values(given))).count;
}

/** The same for a statement that returns rows. */
export async function putReturning<R extends object, C extends Columns = Columns>(
  tx: Queryable,
  text: string,
  columns: Unnest<C>,
  rows: Iterable<Row<C>>,
): Promise<readonly R[]> {
  const given = [...rows];
  return given.length === 0 ? [] : (await tx.query<R>(text, columns.values(given))).rows;
}
