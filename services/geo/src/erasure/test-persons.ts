import { randomUUID } from "node:crypto";
import { HOUR_MS } from "@vigie/core/time";
import { keyOf, type Person, rowOf } from "#person";
import type { GeoTables } from "../test-tables.ts";

interface Whose {
  readonly tenant_id: string;
  readonly user_id: string;
  readonly user_key: string;
  /** When everything happened. */
  readonly atMs: number;
}

const iso = (ms: number): string => new Date(ms).toISOString();
const place = { country: "SN", city: "Dakar", geohash: "edeedfx" };

/** Every table that holds rows of persons, with what one of them is made of besides tenant and user. */
const filled: Readonly<Record<string, (whose: Whose) => object>> = {
  molam_user_geo_prefs: ({ atMs }) => ({
    gps_opt_in: true,
    precision_level: 7,
    updated_at: iso(atMs),
  }),
  molam_geo_last_context: ({ atMs }) => ({
    ...place,
    source: "gps",
    is_vpn: false,
    is_mobile: true,
    captured_at: iso(atMs),
  }),
  molam_gps_ephemeral: ({ atMs }) => ({
    id: randomUUID(),
    wrapped_key: "\\x01",
    sealed: `\\x${"00".repeat(40)}`,
    stored_at: iso(atMs),
    expires_at: iso(atMs + HOUR_MS),
  }),
  molam_geo_events: ({ atMs }) => ({
    ...place,
    id: randomUUID(),
    event_type: "location_captured",
    occurred_at: iso(atMs),
    details: { to: "XOF" },
  }),
  ussd_links: ({ user_id, user_key, atMs }) => ({
    id: randomUUID(),
    phone_hash: user_id.replaceAll("-", ""),
    key_id: "k1",
    sealed_phone: "\\x01",
    user_key,
    country_code: "SN",
    linked_at: iso(atMs),
  }),
  ussd_pins: ({ atMs }) => ({ sealed_hash: "\\x01", set_at: iso(atMs), tries: 0, locks: 0 }),
  ussd_reset_codes: ({ atMs }) => ({ code_hash: "\\x01", expires_at: iso(atMs), tries: 0 }),
};
export const tablesOfPersons = Object.keys(filled);

/** Leaves a row in each table, and a change that is not published yet. */
export async function live(
  { owner }: Pick<GeoTables, "owner">,
  person: Person,
  atMs = Date.now(),
): Promise<void> {
  const { tenantId: tenant_id, userId: user_id } = rowOf(person);
  for (const [table, rest] of Object.entries(filled)) {
    const whose = { tenant_id, user_id, user_key: person.userId, atMs };
    const row = { tenant_id, user_id, ...rest(whose) };
    const names = Object.keys(row).join(", ");
    await owner.query(
      `insert into ${table} (${names})
       select ${names} from jsonb_populate_record(null::${table}, $1)`,
      [JSON.stringify(row)],
    );
  }
  await owner.query(
    "insert into outbox (topic, key, value, enqueued_at) values ('id.geo.prefs', $1, $2, $3)",
    [keyOf(person), Buffer.from(person.userId), iso(atMs)],
  );
}

/** How many rows each table has of the person, of those that have any. */
export async function rowsOf(
  { rows }: Pick<GeoTables, "rows">,
  person: Person,
): Promise<Readonly<Record<string, number>>> {
  const { tenantId, userId } = rowOf(person);
  const counts: Record<string, number> = {};
  for (const table of tablesOfPersons) {
    const text = `select 1 from ${table} where tenant_id = $1 and user_id = $2`;
    const { length } = await rows(text, [tenantId, userId]);
    if (length > 0) counts[table] = length;
  }
  return counts;
}

export async function clear({ owner }: Pick<GeoTables, "owner">): Promise<void> {
  const names = tablesOfPersons.join(", ");
  await owner.query(`truncate ${names}, outbox, erasures, erasure_parts, sink_offsets`);
}
