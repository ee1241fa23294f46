import { assert } from "@vigie/core/assert";
import { tenantUuid } from "@vigie/service-kit/ids";
import type { Database } from "@vigie/service-kit/postgres/database";
import { seedTenants } from "@vigie/service-kit/postgres/seed";

/** Days over which the sessions began; ended ones are kept 90 days by default. */
const DAYS = 90;
/** Sessions of one statement, so that a line of progress is told now and then. */
const CHUNK = 500_000;

export interface FillOptions {
  readonly sessions: number;
  /** The end of the time in which they began. */
  readonly nowMs: number;
  told(line: string): void;
}

/**
 * Fills the tables of the read model with made-up people, a tenth as many as sessions: some sign in often and most
 * rarely, most from their own country, on phones; of old sessions hardly one is live. One activity a session, besides
 * anomalies (2 %), revocations (1 %) and commands (0.5 %). Needs a superuser: foreign keys are not checked.
 */
export async function fillReadModel(owner: Database, options: FillOptions): Promise<void> {
  const { sessions, told } = options;
  assert(sessions >= 1_000, "a table that is worth measuring");
  const rebuild = await dropIndexes(owner);
  await insertPeople(owner, options);
  for (let from = 1; from <= sessions; from += CHUNK) {
    const until = Math.min(sessions, from + CHUNK - 1);
    await bulk(owner, sessionsSql(options), [from, until]);
    await bulk(owner, activitiesSql(options), [from, until]);
    told(`${until} sessions`);
  }
  for (const text of [anomaliesSql(options), revocationsSql(options), commandsSql(options)]) {
    await bulk(owner, text, [1, sessions]);
  }
  await insertUsage(owner);
  for (const text of rebuild) await owner.query(text);
  told("indexes built");
  for (const table of FILLED) await owner.query(`vacuum analyze ${table}`);
  told("vacuumed");
}

const FILLED = [
  "tenants",
  "users",
  "user_devices",
  "user_sessions",
  "session_activities",
  "session_anomalies",
  "session_revocations",
  "session_commands",
  "session_usage",
];

/** Foreign keys are checked by triggers, which a replica does not run. */
const bulk = (owner: Database, text: string, values: readonly unknown[]): Promise<unknown> =>
  owner.transaction(async (tx) => {
    await tx.query("set local session_replication_role = replica");
    await tx.query("set local synchronous_commit = off");
    await tx.query(text, values);
  });

/** Returns: the statements that build them again; unique ones stay. */
async function dropIndexes(owner: Database): Promise<readonly string[]> {
  const { rows } = await owner.query<{ name: string; text: string }>(
    `select c.relname as name, pg_get_indexdef(c.oid) as text
       from pg_index i join pg_class c on c.oid = i.indexrelid
      where i.indrelid in ('user_sessions'::regclass, 'session_activities'::regclass)
        and not i.indisunique`,
  );
  for (const { name } of rows) await owner.query(`drop index ${name}`);
  // Of a partitioned table PostgreSQL tells the part that holds no rows; built again, it goes for all partitions.
  return rows.map(({ text }) => text.replace(" ON ONLY ", " ON "));
}

const people = (sessions: number): number => Math.ceil(sessions / 10);

/** Half of all belong to the first tenant with a country. */
const tenants = seedTenants.filter(({ country }) => country !== null);

const uuidSql = (kind: string, number: string): string => `md5('${kind}' || ${number})::uuid`;

async function insertPeople(
  owner: Database,
  { sessions, nowMs, told }: FillOptions,
): Promise<void> {
  await owner.query(
    `insert into tenants (id, slug, name)
     select * from unnest($1::uuid[], $2::text[], $2::text[]) on conflict do nothing`,
    [tenants.map(({ id }) => tenantUuid(id)), tenants.map(({ id }) => id)],
  );
  await bulk(
    owner,
    `insert into users (id, tenant_id, external_id, is_stub)
     select ${uuidSql("u", "u")}, tenant.id, ${uuidSql("u", "u")}::text, true
       from generate_series(1, $1::int) u join ${TENANT_OF_USER}`,
    [people(sessions)],
  );
  await bulk(
    owner,
    `insert into user_devices (id, tenant_id, user_id, external_id, is_stub, first_seen_at)
     select ${uuidSql("d", "u || '-' || k")}, tenant.id, ${uuidSql("u", "u")},
            ${uuidSql("d", "u || '-' || k")}::text, true, ${NOW} - u % ${DAYS} * interval '1 day'
       from generate_series(1, $1::int) u cross join generate_series(0, 1) k join ${TENANT_OF_USER}`.replaceAll(
      NOW,
      `'${new Date(nowMs).toISOString()}'::timestamp`,
    ),
    [people(sessions)],
  );
  const days = await owner.query<{ day: string }>(
    `select to_char(day, 'YYYY-MM-DD') as day
       from generate_series($1::date - ${DAYS + 1}, $1::date + 1, interval '1 day') day`,
    [new Date(nowMs).toISOString()],
  );
  for (const { day } of days.rows) {
    await owner.query("select ensure_activity_partition($1::date)", [day]);
  }
  told(`${people(sessions)} people`);
}

const NOW = "{now}";

/** u: number of a user. */
const TENANT_OF_USER = `(values ${tenants
  .map(({ id, country }, i) => `(${i}, '${tenantUuid(id)}'::uuid, '${id}', '${country}')`)
  .join(", ")}) as tenant (place, id, slug, country)
  on tenant.place = greatest(0, u % ${2 * (tenants.length - 1)} - ${tenants.length - 2}) `;

/** Numbers between 0 and 1 that only depend on n: the same sessions in every run. */
const share = (salt: number): string =>
  `((hashint8extended(n, ${salt}) & 2147483647) / 2147483648.0::float8)`;

const withNow = (text: string, { nowMs, sessions }: FillOptions): string =>
  text
    .replaceAll(NOW, `'${new Date(nowMs).toISOString()}'::timestamp`)
    .replaceAll("{sessions}", String(sessions))
    .replaceAll("{people}", String(people(sessions)));

/** n: number of a session; the last one began just now. A person of a low number signs in more often. */
const DRAWN = `
  select n, 1 + floor(power(${share(1)}, 3) * {people})::int as u,
         ${NOW} - ({sessions} - n) * (interval '${DAYS} days' / {sessions}) as begun,
         ${share(2)} as status_share, ${share(3)} as country_share, ${share(4)} as type_share,
         ${share(5)} as risk_share, ${share(6)} as length_share, ${share(7)} as org_share
    from generate_series($1::int, $2::int) n`;

const sessionsSql = (options: FillOptions): string =>
  withNow(
    `
  insert into user_sessions
    (id, user_id, tenant_id, device_id, ip_address_hash, user_agent, client_info, session_type,
     login_method, session_data, created_at, last_activity, expires_at, is_active, terminated_at,
     termination_reason, tenant_key, user_key, session_key, device_key, version, status, ip_prefix,
     ip_hash_key_id, country, city, user_type, org_id, idle_expires_at, absolute_expires_at,
     risk_score)
  select ${uuidSql("s", "n")}, ${uuidSql("u", "u")}, tenant.id, ${uuidSql("d", "u || '-' || n % 2")},
         repeat(md5(n::text), 2), 'Mozilla/5.0 (Linux; Android 14) Chrome/120.0 Mobile Safari/537.36',
         '{"browser": "Chrome", "browser_version": "120", "os": "Android"}',
         case when type_share < 0.6 then 'mobile' when type_share < 0.85 then 'web'
              when type_share < 0.95 then 'ussd' else 'api' end,
         'sso', '{"roles": ["customer"], "adopted": false}', begun, seen,
         seen + interval '30 minutes', status = 'ACTIVE',
         case when status <> 'ACTIVE' then seen end, case when status <> 'ACTIVE' then 'idle_timeout' end,
         tenant.slug, ${uuidSql("u", "u")}::text, ${uuidSql("s", "n")}::text,
         ${uuidSql("d", "u || '-' || n % 2")}::text, n, status, '41.82.' || n % 256 || '.0/24', 'k1',
         case when country_share < 0.92 then tenant.country
              else (array['SN','CI','FR','ML','GN','GH','NG','US','DE','BR'])
                   [1 + floor(power(country_share - 0.92, 3) * 19500)::int] end,
         'Dakar', case when org_share < 0.02 then 'INTERNAL' else 'EXTERNAL' end,
         case when org_share < 0.02 then 'org-' || n % 8 end,
         seen + interval '30 minutes', begun + interval '720 hours',
         case when risk_share < 0.97 then 0 else (array[25, 40, 70, 95])[1 + n % 4] end
    from (select *, least(${NOW}, begun + power(length_share, 4) * interval '20 days') as seen,
                 case when begun > ${NOW} - interval '12 hours' and status_share < 0.5 then 'ACTIVE'
                      when status_share < 0.01 then 'REVOKED' when status_share < 0.3 then 'LOGGED_OUT'
                      when status_share < 0.31 then 'EXPIRED' else 'IDLE_EXPIRED' end as status
            from (${DRAWN}) as drawn) as session
    join ${TENANT_OF_USER}`,
    options,
  );

const activitiesSql = (options: FillOptions): string =>
  withNow(
    `
  insert into session_activities
    (id, session_id, activity_type, activity_category, timestamp, details, success, tenant_id,
     user_id, event_id)
  select ${uuidSql("e", "n")}, ${uuidSql("s", "n")},
         (array['auth_success', 'heartbeat', 'heartbeat', 'mfa_challenge', 'logout'])[1 + n % 5],
         'auth', begun, '{"channel": "MOBILE"}', true, tenant.id, ${uuidSql("u", "u")}, 'e-' || n
    from (${DRAWN}) as drawn join ${TENANT_OF_USER}`,
    options,
  );

const anomaliesSql = (options: FillOptions): string =>
  withNow(
    `
  insert into session_anomalies
    (id, tenant_id, user_id, session_id, anomaly_id, kind, severity, risk_score, action, mode,
     occurred_at, detected_at, rule_version, policy_version, evidence, explanation)
  select ${uuidSql("a", "n")}, tenant.id, ${uuidSql("u", "u")}, ${uuidSql("s", "n")}, 'a-' || n,
         (array['new_device', 'vpn_detected', 'impossible_travel'])[1 + n % 3], 'HIGH', 70,
         'STEP_UP', 'ENFORCE', begun, begun, '1', 1, '{"distance_km": "4200"}', 'Made up.'
    from (${DRAWN}) as drawn join ${TENANT_OF_USER} where n % 50 = 0`,
    options,
  );

const revocationsSql = (options: FillOptions): string =>
  withNow(
    `
  insert into session_revocations
    (id, tenant_id, user_id, session_id, revocation_id, revoked_at, reason, actor_type, actor_id)
  select ${uuidSql("r", "n")}, tenant.id, ${uuidSql("u", "u")}, ${uuidSql("s", "n")}, 'r-' || n, begun,
         'user_request', 'USER', ${uuidSql("u", "u")}::text
    from (${DRAWN}) as drawn join ${TENANT_OF_USER} where n % 100 = 0`,
    options,
  );

const commandsSql = (options: FillOptions): string =>
  withNow(
    `
  insert into session_commands
    (id, tenant_id, user_id, user_key, command_id, requested_at, kind, noted_at, actor_type)
  select ${uuidSql("c", "n")}, tenant.id, ${uuidSql("u", "u")}, ${uuidSql("u", "u")}::text, 'c-' || n,
         begun, 'REVOKE_ALL', begun, 'USER'
    from (${DRAWN}) as drawn join ${TENANT_OF_USER} where n % 200 = 0`,
    options,
  );

const insertUsage = (owner: Database): Promise<unknown> =>
  owner.query(
    `insert into session_usage (tenant_id, day, session_type, sessions)
     select tenant_id, created_at::date, session_type, count(*) from user_sessions group by 1, 2, 3`,
  );
