-- The audit trail: entries are added, in a gapless and signed chain, and never changed (AUD-01, AUD-02).

do $$
begin
  create role vigie_audit_sink nologin;
exception when duplicate_object or unique_violation then null;
end
$$;

-- AUD-03, AUD-04, AUD-05. What is signed is described in services/audit-sink/src/chain.ts.
create table audit_log (
  -- From 1 on without a gap; given under the lock of audit_head, never by a sequence.
  index bigint primary key check (index > 0),
  event_id text not null,
  tenant_id uuid not null,
  -- As in tokens and events.
  tenant_key text not null,
  -- Cut to the years 1..9999; occurred_at_ms is what was said.
  occurred_at timestamp(3) not null,
  occurred_at_ms bigint not null,
  recorded_at_ms bigint not null,
  source_topic text not null,
  source_partition integer not null,
  source_offset bigint not null,
  emitter text not null,
  emitter_seq bigint not null,
  action text not null,
  actor_type text not null,
  actor_id text not null,
  impersonator_id text,
  subject_user_id text,
  is_impersonation boolean not null,
  impersonated_user_id text,
  -- CNF-02: the address encrypted, its /24 or /48, and its HMAC under the tenant's key for comparison.
  ip_sealed text,
  ip_prefix text,
  ip_hash text,
  ip_hash_key_id text,
  user_agent text,
  -- Canonical JSON, RFC 8785.
  payload text not null,
  -- HMAC of the event as it came: tells a repetition from another event of the same id.
  event_digest text not null,
  previous_hash text not null,
  entry_hash text not null,
  signature text not null,
  key_id text not null,
  unique (tenant_key, event_id)
);
create index idx_audit_log_occurred on audit_log (tenant_id, occurred_at);
create index idx_audit_log_subject on audit_log (tenant_id, subject_user_id, occurred_at)
  where subject_user_id is not null;
create index idx_audit_log_action on audit_log (tenant_id, action, occurred_at);

-- Events whose id had come before with another content: kept as they came, encrypted, for a person to judge.
create table audit_conflicts (
  source_topic text not null,
  source_partition integer not null,
  source_offset bigint not null,
  event_id text not null,
  tenant_id uuid not null,
  tenant_key text not null,
  recorded_at_ms bigint not null,
  event_digest text not null,
  value_sealed text not null,
  primary key (source_topic, source_partition, source_offset)
);

-- One row that whoever appends locks first, so that there is one chain.
create table audit_head (
  only_row boolean primary key default true check (only_row),
  held boolean not null default false
);
insert into audit_head default values;

create function refuse_audit_change() returns trigger
  language plpgsql
  as $$
begin
  raise exception '% of % is refused: the audit trail is only added to', tg_op, tg_table_name
    using errcode = 'restrict_violation';
end
$$;

do $$
declare
  table_name text;
begin
  foreach table_name in array array['audit_log', 'audit_conflicts']
  loop
    execute format('create trigger no_change before update or delete on %I
                      for each row execute function refuse_audit_change()', table_name);
    execute format('create trigger no_truncate before truncate on %I
                      for each statement execute function refuse_audit_change()', table_name);
    -- Also where session_replication_role switches ordinary triggers off.
    execute format('alter table %I enable always trigger no_change', table_name);
    execute format('alter table %I enable always trigger no_truncate', table_name);
    execute format('alter table %I enable row level security', table_name);
    execute format('alter table %I force row level security', table_name);
    execute format('create policy sink_reads on %I for select to vigie_audit_sink
                      using (true)', table_name);
    execute format('create policy sink_appends on %I for insert to vigie_audit_sink
                      with check (true)', table_name);
    execute format('revoke all on %I from public', table_name);
    execute format('grant select, insert on %I to vigie_audit_sink', table_name);
  end loop;
  execute format('grant usage on schema %I to vigie_audit_sink', current_schema());
end
$$;

-- TEN-01, TEN-02: a reader sees its tenant's entries, addresses as prefix and hash only.
create policy tenant_only on audit_log for select to vigie_reader
  using (tenant_id = current_tenant());
grant select (index, event_id, tenant_id, tenant_key, occurred_at, occurred_at_ms, recorded_at_ms,
              emitter, emitter_seq, action, actor_type, actor_id, impersonator_id, subject_user_id,
              is_impersonation, impersonated_user_id, ip_prefix, ip_hash, ip_hash_key_id,
              user_agent, payload, previous_hash, entry_hash, signature, key_id)
  on audit_log to vigie_reader;

-- Locking a row for update asks for the right to update it.
grant select, update (held) on audit_head to vigie_audit_sink;
grant select, insert, update on sink_offsets to vigie_audit_sink;
