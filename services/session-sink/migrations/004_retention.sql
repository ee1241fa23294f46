-- PRV-13 and PRV-14: forgetting by policy, and erasure.
create index idx_user_sessions_ended on user_sessions (tenant_id, terminated_at)
  where not is_active and terminated_at is not null;
create index idx_session_anomalies_occurred on session_anomalies (tenant_id, occurred_at);
create index idx_session_revocations_revoked on session_revocations (tenant_id, revoked_at);
create index idx_session_revocations_user on session_revocations (tenant_id, user_id, revoked_at);
-- The timeline of a user (ACT-10), and erasure.
create index idx_session_activities_user on session_activities (tenant_id, user_id, timestamp);
-- An erased person may have acted on others.
create index idx_session_revocations_actor on session_revocations (tenant_id, actor_id)
  where actor_type = 'ADMIN';
create index idx_session_commands_actor on session_commands (tenant_id, actor_id)
  where actor_type = 'ADMIN';
create index idx_session_commands_impersonator on session_commands (tenant_id, impersonator_id)
  where impersonator_id is not null;

-- Rows that are no session and only hold events.
create index idx_user_sessions_placeholders on user_sessions (tenant_id, created_at)
  where status in ('PENDING', 'NONE', 'REFUSED');

-- Activities of before closed_before are not written any more, those of before cleared_before are gone.
create table session_activity_retention (
  tenant_id uuid primary key references tenants (id) on delete cascade,
  closed_before date not null,
  cleared_before date not null default '-infinity'
);
alter table session_activity_retention enable row level security;
create policy sink_writes on session_activity_retention to vigie_session_sink
  using (true) with check (true);

grant select, insert, update on session_activity_retention to vigie_session_sink;
grant delete on session_activities, session_anomalies, session_revocations to vigie_session_sink;
grant update (actor_id) on session_revocations to vigie_session_sink;
grant select (slug) on tenants to vigie_session_sink;
-- Of users and devices the sink may delete what it has made up itself.
grant select (is_stub), delete on users, user_devices to vigie_session_sink;
create policy sink_erases on users for delete to vigie_session_sink using (is_stub);
create policy sink_erases on user_devices for delete to vigie_session_sink using (is_stub);

grant select, insert on erasures, erasure_parts to vigie_session_sink;
create policy sink_writes on erasures to vigie_session_sink using (true) with check (true);
create policy sink_writes on erasure_parts to vigie_session_sink using (true) with check (true);

-- A day far off gets no partition: its row is refused, and nobody can make thousands of tables. The bounds are those of
-- what the sink takes in (400 days behind a record that is 31 days old at most, 1 day ahead) and some more.
do $$
begin
  execute format($function$
    create or replace function ensure_activity_partition(day date) returns boolean
      language plpgsql security definer set search_path = %1$I, pg_temp
      as $body$
    declare
      today date := (now() at time zone 'utc')::date;
      partition_name text := 'session_activities_' || to_char(day, 'YYYYMMDD');
    begin
      if day < today - 450 or day > today + 7 then return false; end if;
      if to_regclass(format('%%I', partition_name)) is not null then return false; end if;
      execute format('create table %%I partition of session_activities
                        for values from (%%L) to (%%L)', partition_name, day, day + 1);
      execute format('alter table %%I enable row level security', partition_name);
      return true;
    exception when duplicate_table or unique_violation then return false;
    end
    $body$
  $function$, current_schema());
end
$$;
