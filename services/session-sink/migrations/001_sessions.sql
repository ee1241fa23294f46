-- Sessions, their activities and anomalies as the session sink materialises them. All times are UTC.

do $$
begin
  create role vigie_session_sink nologin;
exception when duplicate_object or unique_violation then null;
end
$$;

-- SES-24 to SES-26, then what Vigie adds.
create table user_sessions (
  id uuid primary key,
  user_id uuid not null,
  tenant_id uuid not null references tenants (id) on delete cascade,
  device_id uuid,
  authentik_session_id varchar(255),
  ip_address_hash varchar(64),
  user_agent text,
  client_info jsonb not null default '{}',
  session_type varchar(50) not null default 'web',
  login_method varchar(50),
  session_data jsonb not null default '{}',
  created_at timestamp(3) not null,
  last_activity timestamp(3) not null,
  expires_at timestamp(3) not null,
  is_active boolean not null default true,
  terminated_at timestamp(3),
  termination_reason varchar(100),
  -- Ids as events and tokens have them.
  tenant_key varchar(64) not null,
  user_key varchar(128) not null,
  session_key varchar(128) not null,
  device_key varchar(128),
  -- Of the state record; a row is only replaced by a greater one.
  version bigint not null default 0,
  -- As in the contract; PENDING: an event named it, its state has not come; NONE: holds events without a session.
  status varchar(16) not null,
  ip_prefix varchar(49),
  ip_hash_key_id varchar(32),
  country char(2),
  city varchar(255),
  user_type varchar(16),
  org_id varchar(128),
  idle_expires_at timestamp(3),
  absolute_expires_at timestamp(3),
  step_up_required_at timestamp(3),
  risk_score integer not null default 0,
  policy_version bigint not null default 0,
  -- Since when a login waits for its session to appear (SES-22).
  awaited_since timestamptz,
  foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade,
  foreign key (tenant_id, user_id, device_id)
    references user_devices (tenant_id, user_id, id) on delete cascade
);
-- SES-27
create index idx_user_sessions_user_id on user_sessions (user_id);
create index idx_user_sessions_active on user_sessions (is_active, expires_at);
create index idx_user_sessions_tenant_user on user_sessions (tenant_id, user_id);
create index idx_user_sessions_device on user_sessions (tenant_id, user_id, device_id)
  where device_id is not null;
create index idx_user_sessions_awaited on user_sessions (awaited_since)
  where awaited_since is not null;

-- ACT-02, ACT-03, then what Vigie adds. One partition a day, see ensure_activity_partition.
create table session_activities (
  id uuid not null,
  session_id uuid not null references user_sessions (id) on delete cascade,
  activity_type varchar(100) not null,
  activity_category varchar(50),
  timestamp timestamp(3) not null,
  duration_ms integer,
  endpoint varchar(255),
  http_method varchar(10),
  status_code integer,
  details jsonb not null default '{}',
  resource_type varchar(100),
  resource_id uuid,
  success boolean,
  -- CNF-19: the id as it came, when it is no UUID.
  resource_key varchar(128),
  tenant_id uuid not null,
  user_id uuid not null,
  -- id is made of it: one event is one row.
  event_id varchar(128) not null,
  primary key (id, timestamp)
) partition by range (timestamp);
-- ACT-04
create index idx_session_activities_session_id on session_activities (session_id);
create index idx_session_activities_timestamp on session_activities (timestamp);

create table session_anomalies (
  id uuid primary key,
  tenant_id uuid not null references tenants (id) on delete cascade,
  user_id uuid not null,
  session_id uuid,
  anomaly_id varchar(128) not null,
  kind varchar(64) not null,
  severity varchar(16) not null,
  risk_score integer not null,
  action varchar(16) not null,
  mode varchar(16) not null,
  occurred_at timestamp(3) not null,
  detected_at timestamp(3) not null,
  rule_version varchar(64) not null,
  policy_version bigint not null,
  cause_event_ids jsonb not null default '[]',
  evidence jsonb not null default '{}',
  explanation text not null,
  retracted_at timestamp(3),
  foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create index idx_session_anomalies_user on session_anomalies (tenant_id, user_id, occurred_at);
create index idx_session_anomalies_session on session_anomalies (session_id)
  where session_id is not null;

create table session_revocations (
  id uuid primary key,
  tenant_id uuid not null references tenants (id) on delete cascade,
  user_id uuid not null,
  session_id uuid not null,
  revocation_id varchar(128) not null,
  revoked_at timestamp(3) not null,
  reason varchar(100) not null,
  actor_type varchar(16) not null,
  actor_id varchar(255) not null,
  command_id varchar(128),
  anomaly_id varchar(128),
  epoch_id varchar(128),
  foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create index idx_session_revocations_session on session_revocations (session_id);

-- CNF-22: the table's other name, without the rows that only keep foreign keys true.
create view sessions as
  select * from user_sessions where status not in ('PENDING', 'NONE');

-- ACT-01, CNF-18: the kinds of the core document.
create view molam_session_activity as
  select id, tenant_id, user_id, session_id, upper(activity_type) as kind, details,
         timestamp as occurred_at
    from session_activities
   where activity_type in ('heartbeat', 'auth_success', 'auth_fail', 'mfa_challenge', 'mfa_fail',
                           'logout', 'anomaly', 'revoke');

-- TEN-01, TEN-02: a reader sees its tenant; the sink writes all tenants' rows and nothing else.
do $$
declare
  table_name text;
begin
  foreach table_name in array
    array['user_sessions', 'session_activities', 'session_anomalies', 'session_revocations']
  loop
    execute format('alter table %I enable row level security', table_name);
    execute format('alter table %I force row level security', table_name);
    execute format('create policy tenant_only on %I for select to vigie_reader
                      using (tenant_id = current_tenant())', table_name);
    execute format('create policy sink_writes on %I to vigie_session_sink
                      using (true) with check (true)', table_name);
    execute format('grant select on %I to vigie_reader', table_name);
  end loop;
  foreach table_name in array array['tenants', 'users', 'user_devices']
  loop
    execute format('create policy sink_adds on %I for insert to vigie_session_sink
                      with check (true)', table_name);
    execute format('create policy sink_sees on %I for select to vigie_session_sink
                      using (true)', table_name);
  end loop;
  -- Views ask the rights of who reads them; before version 15 they cannot, and are not granted.
  if current_setting('server_version_num')::int >= 150000 then
    alter view sessions set (security_invoker = true);
    alter view molam_session_activity set (security_invoker = true);
    grant select on sessions, molam_session_activity to vigie_reader;
  end if;
  execute format('grant usage on schema %I to vigie_session_sink', current_schema());
end
$$;

grant insert (id, slug, name), select (id) on tenants to vigie_session_sink;
grant insert (id, tenant_id, external_id, is_stub), select (id, tenant_id)
  on users to vigie_session_sink;
grant insert (id, tenant_id, user_id, external_id, is_stub), select (id, tenant_id, user_id)
  on user_devices to vigie_session_sink;
grant select, insert, update, delete on user_sessions to vigie_session_sink;
grant select, insert on session_activities, session_revocations to vigie_session_sink;
grant select, insert, update (retracted_at) on session_anomalies to vigie_session_sink;
grant select, insert, update on sink_offsets to vigie_session_sink;

-- The sink owns no table, so partitions come and go by these two functions.
do $$
begin
  execute format($function$
    create function ensure_activity_partition(day date) returns boolean
      language plpgsql security definer set search_path = %1$I, pg_temp
      as $body$
    declare
      partition_name text := 'session_activities_' || to_char(day, 'YYYYMMDD');
    begin
      if to_regclass(format('%%I', partition_name)) is not null then return false; end if;
      execute format('create table %%I partition of session_activities
                        for values from (%%L) to (%%L)', partition_name, day, day + 1);
      execute format('alter table %%I enable row level security', partition_name);
      return true;
    exception when duplicate_table or unique_violation then return false;
    end
    $body$
  $function$, current_schema());
  execute format($function$
    create function drop_activity_partitions(before date) returns integer
      language plpgsql security definer set search_path = %1$I, pg_temp
      as $body$
    declare
      partition_name text;
      dropped integer := 0;
    begin
      if before > (now() at time zone 'utc')::date then
        raise exception 'only days that are over are dropped';
      end if;
      for partition_name in
        select relid::regclass::text from pg_partition_tree('session_activities')
         where isleaf and relid::regclass::text < 'session_activities_' || to_char(before, 'YYYYMMDD')
      loop
        execute format('drop table %%s', partition_name);
        dropped := dropped + 1;
      end loop;
      return dropped;
    end
    $body$
  $function$, current_schema());
end
$$;
revoke execute on function ensure_activity_partition(date), drop_activity_partitions(date)
  from public;
grant execute on function ensure_activity_partition(date), drop_activity_partitions(date)
  to vigie_session_sink;
