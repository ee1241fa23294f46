-- What the audit is searched by (AUD-05, AUD-09 to AUD-11, CNF-22): read models of the leaves, emptied and filled again
-- at will. They prove nothing; the leaves do.

-- CNF-20: persons by pseudonym (the ref of audit_subjects), and of what is sealed only what many persons share.
create table audit_log (
  -- Of the leaf, from 0 on.
  index bigint primary key check (index >= 0),
  event_id text not null,
  tenant_id uuid not null,
  -- As in tokens and events.
  tenant_key text not null,
  -- At the source, cut to the years 1..9999; by the broker's clock.
  occurred_at timestamp(3) not null,
  recorded_at timestamp(3) not null,
  source_topic text not null,
  source_partition integer not null,
  source_offset bigint not null,
  emitter text not null,
  emitter_seq bigint not null,
  action text not null,
  -- AUD-03: a person by ref, a service or a policy by id.
  actor_type text not null,
  actor_id text,
  actor_ref uuid,
  impersonator_ref uuid,
  subject_ref uuid,
  is_impersonation boolean not null,
  impersonated_ref uuid,
  -- AUD-11: the kind of client, 'Chrome, macOS'; 'unknown' where none was given, 'erased' after an erasure.
  user_agent text not null,
  -- Where the leaf has it in clear, as it stands there; null where it is sealed. Not jsonb, which refuses \u0000.
  payload json
);
create index idx_audit_log_of_all on audit_log (occurred_at, index);
create index idx_audit_log_time on audit_log (tenant_id, occurred_at, index);
create index idx_audit_log_by_action on audit_log (tenant_id, action, occurred_at, index);
create index idx_audit_log_by_actor_ref
  on audit_log (tenant_id, actor_ref, occurred_at, index)
  where actor_ref is not null;
create index idx_audit_log_by_actor_id
  on audit_log (tenant_id, actor_id, occurred_at, index)
  where actor_id is not null;
create index idx_audit_log_by_impersonator
  on audit_log (tenant_id, impersonator_ref, occurred_at, index)
  where impersonator_ref is not null;
create index idx_audit_log_by_subject
  on audit_log (tenant_id, subject_ref, occurred_at, index)
  where subject_ref is not null;
create index idx_audit_log_by_impersonated
  on audit_log (tenant_id, impersonated_ref, occurred_at, index)
  where impersonated_ref is not null;
-- AUD-09
create index idx_audit_log_by_impersonation
  on audit_log (tenant_id, is_impersonation, occurred_at, index)
  where is_impersonation;

-- How far the leaves are in audit_log: the index of the next one.
create table audit_projection (
  only_row boolean primary key default true check (only_row),
  next_index bigint not null default 0 check (next_index >= 0)
);
insert into audit_projection default values;

-- AUD-09, AUD-10: what administrators did, and whoever acted as somebody else.
create view admin_audit_logs as
  select index as id, tenant_id,
         coalesce(actor_ref::text, actor_id) as admin_email,
         action as action_type,
         coalesce(subject_ref::text, tenant_key) as target_identifier,
         is_impersonation, impersonated_ref as impersonated_user_id,
         user_agent, occurred_at as created_at, payload as new_value
    from audit_log
   where actor_type = 'ADMIN' or is_impersonation;

-- TEN-01, TEN-02: a reader sees its tenant; who administers the platform may ask for all, as of audit_leaves; the
-- sink writes all tenants' rows.
alter table audit_log enable row level security;
alter table audit_log force row level security;
create policy tenant_only on audit_log for select to vigie_reader
  using (tenant_id = current_tenant());
create policy all_tenants on audit_log for select to vigie_edge
  using (current_setting('vigie.audit_all', true) = 'on');
create policy sink_writes on audit_log to vigie_audit_sink using (true) with check (true);
revoke all on audit_log, audit_projection, admin_audit_logs from public;
grant select on audit_log, audit_projection to vigie_reader;
grant select, insert, update, delete, truncate on audit_log to vigie_audit_sink;
grant select, update on audit_projection to vigie_audit_sink;
do $$
begin
  -- A view asks the rights of who reads it; before version 15 it cannot, and is not granted.
  if current_setting('server_version_num')::int >= 150000 then
    alter view admin_audit_logs set (security_invoker = true);
    grant select on admin_audit_logs to vigie_reader;
  end if;
end
$$;
