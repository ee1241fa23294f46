import { join } from "node:path";
import { assert } from "@vigie/core/assert";
import { silentLogger } from "@vigie/core/log";
import type { TopicName } from "@vigie/schemas/catalogue";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import { nameUuid, tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import { type Database, openDatabase } from "@vigie/service-kit/postgres/database";
import { migrate, migrationFolders } from "@vigie/service-kit/postgres/migrate";
import { stack } from "@vigie/testkit/stack";
import { NOW_MS } from "../test-edge.ts";

const ROOT = join(import.meta.dirname, "../../../..");

/** No foreign key leads from a tenant to these. */
const GEO_TABLES = [
  "molam_user_geo_prefs",
  "molam_geo_last_context",
  "molam_geo_events",
  "molam_gps_ephemeral",
  "ussd_links",
  "ussd_pins",
  "ussd_reset_codes",
];

/** The tables of the read model in a schema of their own. */
export interface TestTables {
  /** Sees and may do everything. */
  readonly owner: Database;
  /** With the rights of the edge. */
  readonly edge: Database;
  insert(table: string, rows: readonly object[]): Promise<void>;
  clear(): Promise<void>;
  close(): Promise<void>;
}

export async function testTables({
  statementTimeoutMs = 120_000,
  poolMax = 4,
} = {}): Promise<TestTables> {
  const servers = await stack();
  const { postgres: url, schema } = servers;
  const owners = ["platform", "audit-sink", "edge", "geo", "session-sink"];
  const folders = migrationFolders(ROOT).filter(({ owner }) => owners.includes(owner));
  await migrate({ url, schema, folders, log: silentLogger });
  const open = (more: { readonly role?: string }): Database =>
    openDatabase({
      url,
      schema,
      applicationName: "inventory-test",
      statementTimeoutMs,
      poolMax,
      log: silentLogger,
      ...more,
    });
  const owner = open({});
  const edge = open({ role: "vigie_edge" });
  return {
    owner,
    edge,
    async insert(table, rows) {
      const names = Object.keys(rows[0] ?? {}).join(", ");
      await owner.query(
        `insert into ${table} (${names})
         select ${names} from jsonb_populate_recordset(null::${table}, $1::jsonb)`,
        [JSON.stringify(rows)],
      );
    },
    async clear() {
      await owner.query(`truncate tenants, session_activities, ${GEO_TABLES.join(", ")} cascade`);
    },
    async close() {
      await owner.query(`drop schema "${schema}" cascade`);
      await Promise.all([owner.close(), edge.close()]);
      await servers.close();
    },
  };
}

/** What waits in the outbox for a topic, in order; each under the key of its person or, of an epoch, its scope. */
export async function outboxOf<T>(
  { owner }: Pick<TestTables, "owner">,
  topic: TopicName,
): Promise<{ readonly key: string; readonly value: T }[]> {
  const { rows } = await owner.query<{ key: string; value: Buffer }>(
    "select key, value from outbox where topic = $1 order by id",
    [topic],
  );
  const decoder = memoryCodecs().decoder<T>(topic);
  return rows.map(({ key, value }) => {
    const decoded = decoder.decode(value);
    assert(decoded.kind === "ok", "what waits can be decoded");
    return { key, value: decoded.value };
  });
}

const iso = (ms: number): string => new Date(ms).toISOString();

export const ids = (tenant: string, user: string) => ({
  tenant_id: tenantUuid(tenant),
  user_id: uuidOf(tenant, "user", user),
});

/** A tenant, a user and their devices. */
export async function addPerson(
  { insert }: TestTables,
  tenant: string,
  user: string,
  devices: readonly string[] = [],
): Promise<void> {
  const { tenant_id, user_id } = ids(tenant, user);
  await insertOnce(insert, "tenants", { id: tenant_id, slug: tenant, name: tenant });
  await insert("users", [{ id: user_id, tenant_id, external_id: user }]);
  const rows = devices.map((device, i) => ({
    id: uuidOf(tenant, "device", device),
    tenant_id,
    user_id,
    external_id: device,
    first_seen_at: iso(NOW_MS - i * 60_000),
  }));
  if (rows.length > 0) await insert("user_devices", rows);
}

const insertOnce = (insert: TestTables["insert"], table: string, row: object): Promise<void> =>
  insert(table, [row]).catch((error: { readonly code?: string }) => {
    if (error.code !== "23505") throw error;
  });

export interface SessionWanted {
  readonly tenant?: string;
  readonly user?: string;
  readonly session: string;
  readonly device?: string;
  /** Relative to the test's now. */
  readonly createdMs?: number;
  readonly lastSeenMs?: number;
  readonly row?: Readonly<Record<string, unknown>>;
}

/** A row of a live session as the sink writes it; begun and last seen a minute ago unless said otherwise. */
export function sessionRow(wanted: SessionWanted) {
  const { tenant = "molam-sn", user = "usr_1", session, device, createdMs = -60_000 } = wanted;
  const createdAtMs = NOW_MS + createdMs;
  const seenAtMs = NOW_MS + (wanted.lastSeenMs ?? createdMs);
  return {
    id: uuidOf(tenant, "session", session),
    ...ids(tenant, user),
    device_id: device === undefined ? null : uuidOf(tenant, "device", device),
    device_key: device ?? null,
    tenant_key: tenant,
    user_key: user,
    session_key: session,
    session_type: "mobile",
    login_method: "sso",
    client_info: { browser: "Chrome", os: "macOS", browser_version: "120" },
    session_data: { roles: ["customer"], adopted: false },
    user_agent: "Molam/4.12",
    created_at: iso(createdAtMs),
    last_activity: iso(seenAtMs),
    expires_at: iso(seenAtMs + 1_800_000),
    idle_expires_at: iso(seenAtMs + 1_800_000),
    absolute_expires_at: iso(createdAtMs + 720 * 3_600_000),
    is_active: true,
    terminated_at: null as string | null,
    termination_reason: null as string | null,
    version: 1,
    status: "ACTIVE",
    ip_prefix: "41.82.0.0/24",
    ip_address_hash: "a".repeat(64),
    country: "SN",
    city: "Dakar",
    user_type: "EXTERNAL",
    org_id: null as string | null,
    risk_score: 0,
    ...wanted.row,
  };
}

export const endedRow = (wanted: SessionWanted, status = "REVOKED") =>
  sessionRow({
    ...wanted,
    row: {
      status,
      is_active: false,
      terminated_at: iso(NOW_MS - 1_000),
      termination_reason: "user_request",
      ...wanted.row,
    },
  });

/** An anomaly of usr_1 as the sink writes it. `atMs`: relative to the test's now. */
export const anomalyRow = (anomalyId: string, atMs = -1_000) => ({
  ...ids("molam-sn", "usr_1"),
  id: nameUuid("molam-sn", "anomaly", anomalyId),
  session_id: uuidOf("molam-sn", "session", "s-1"),
  anomaly_id: anomalyId,
  kind: "impossible_travel",
  severity: "HIGH",
  risk_score: 95,
  action: "STEP_UP",
  mode: "ENFORCE",
  occurred_at: iso(NOW_MS + atMs),
  detected_at: iso(NOW_MS + atMs),
  rule_version: "1",
  policy_version: 0,
  cause_event_ids: [],
  evidence: { speed_kmh: "4000" },
  explanation: "too fast",
});
