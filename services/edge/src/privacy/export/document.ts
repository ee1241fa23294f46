import type { Queryable } from "@vigie/service-kit/postgres/database";
import type { Person } from "../../inventory/person.ts";
import { afterPlace, Values } from "../../inventory/statement.ts";
import { EXPORT_VERSION, type ExportedTable, exportedTables, heldElsewhere } from "./tables.ts";

/** Rows of one statement: some hundred kilobytes. */
export const ROWS_AT_ONCE = 1_000;

type Row = Readonly<Record<string, unknown>>;
type Read = <T>(work: (tx: Queryable) => Promise<T>) => Promise<T>;

/**
 * Everything held on a person, as pieces of one JSON document. Each piece is a transaction of its own, so that a slow
 * reader holds nothing open; `complete` is its last member and missing from a document that was cut off.
 * Throws: VIG_DATABASE_AWAY, VIG_DATABASE_UNSET.
 */
export async function* exportDocument(
  read: Read,
  person: Person,
  nowMs: number,
): AsyncGenerator<string> {
  const head = {
    version: EXPORT_VERSION,
    exported_at: new Date(nowMs).toISOString(),
    tenant: person.tenantKey,
    user: person.userKey,
    tables: Object.fromEntries(exportedTables.map((each) => [each.table, describe(each)])),
    held_elsewhere: heldElsewhere,
  };
  yield `${JSON.stringify(head).slice(0, -1)},"data":{`;
  for (const [i, each] of exportedTables.entries()) {
    yield `${i === 0 ? "" : ","}${JSON.stringify(each.table)}:[`;
    yield* rowsOf(read, each, person);
    yield "]";
  }
  yield `},"complete":true}`;
}

const describe = ({ about, columns, withheld }: ExportedTable) => ({ about, columns, withheld });

async function* rowsOf(read: Read, each: ExportedTable, person: Person): AsyncGenerator<string> {
  let last: Row | null = null;
  for (;;) {
    const rows: readonly Row[] = await read((tx) => pageAfter(tx, each, person, last));
    if (rows.length === 0) return;
    const text = rows.map((row) => JSON.stringify(row)).join(",");
    yield last === null ? text : `,${text}`;
    if (rows.length < ROWS_AT_ONCE) return;
    last = rows.at(-1) ?? null;
  }
}

async function pageAfter(
  tx: Queryable,
  { table, person: owner, time, key = "id", columns }: ExportedTable,
  { tenantId, userId }: Person,
  last: Row | null,
): Promise<readonly Row[]> {
  const values = new Values();
  const mine = `tenant_id = ${values.put(tenantId, "uuid")} and ${owner} = ${values.put(userId, "uuid")}`;
  const place =
    last === null ? null : { atMs: (last[time] as Date).getTime(), id: String(last[key]) };
  const text = `select ${Object.keys(columns).join(", ")} from ${table}
    where ${mine} ${afterPlace(values, place)(time, key)}
    order by ${time} desc, ${key} desc limit ${ROWS_AT_ONCE}`;
  return (await tx.query<Row>(text, values.all)).rows;
}
