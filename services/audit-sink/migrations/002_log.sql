-- The audit is a Merkle tree over leaves (RFC 6962): the proofs are the evidence, and what follows keeps
-- mistakes away from it. Personal fields of a leaf are sealed under a key of their subject.

do $$
declare
  role_name text;
begin
  foreach role_name in array array['vigie_audit_owner', 'vigie_edge']
  loop
    begin
      execute format('create role %I nologin', role_name);
    exception when duplicate_object or unique_violation then null;
    end;
  end loop;
  -- Whoever runs migrations hands the tables over; a superuser needs no membership for it.
  if not (select rolsuper from pg_roles where rolname = current_user) then
    execute format('grant vigie_audit_owner to %I', current_user);
  end if;
  execute format('grant usage, create on schema %I to vigie_audit_owner', current_schema());
end
$$;

-- The chain of before is kept as it is, and nobody writes to it or reads from it any more. The log is built
-- anew from what the topics hold.
alter table audit_log rename to audit_log_retired;
alter table audit_log_retired rename constraint audit_log_pkey to audit_log_retired_pkey;
alter table audit_log_retired
  rename constraint audit_log_tenant_key_event_id_key to audit_log_retired_tenant_key_event_id_key;
alter index idx_audit_log_occurred rename to idx_audit_log_retired_occurred;
alter index idx_audit_log_subject rename to idx_audit_log_retired_subject;
alter index idx_audit_log_action rename to idx_audit_log_retired_action;
revoke all on audit_log_retired from vigie_reader, vigie_audit_sink;
delete from sink_offsets where group_id = 'vigie.audit-sink';

-- AUD-01..04. Index from 0 on without a gap, given under the lock of audit_head after events that came before
-- are left out. "C": ids are compared as bytes.
create table audit_leaves (
  index bigint primary key check (index >= 0),
  tenant_id uuid not null,
  -- As in tokens and events.
  tenant_key text collate "C" not null,
  event_id text collate "C" not null,
  -- Canonical JSON, RFC 8785.
  leaf bytea not null,
  -- SHA-256(0x00 || leaf)
  leaf_hash bytea not null check (octet_length(leaf_hash) = 32),
  -- HMAC-SHA-256 of the leaf hash under the key of this id.
  signature bytea not null check (octet_length(signature) = 32),
  key_id text not null,
  unique (tenant_key, event_id)
) with (toast_tuple_target = 8160);
-- What is sealed does not get smaller.
alter table audit_leaves alter leaf set storage external;

-- Full tiles: 256 hashes of one level, and the node over them, which is one hash of the level above.
-- Level n holds the nodes of height 8n.
create table audit_tiles (
  level integer not null check (level between 0 and 7),
  index bigint not null check (index >= 0),
  hashes bytea not null check (octet_length(hashes) = 8192),
  root bytea not null check (octet_length(root) = 32),
  primary key (level, index)
) with (toast_tuple_target = 8160);
-- Hashes do not compress.
alter table audit_tiles alter hashes set storage external;

-- The newest state of the tree, locked by whoever appends.
alter table audit_head
  add column size bigint not null default 0,
  -- Roots of the perfect subtrees, largest first.
  add column frontier bytea[] not null default '{}',
  -- How many subjects' keys were destroyed: tells another member that keys which it holds may be gone.
  add column destroyed bigint not null default 0,
  -- Until when the newest erasure reaches: nearly all that happens is later, and needs no second look.
  add column erased_until_ms bigint not null default 0;
alter table audit_head drop column held;

-- Signed notes (C2SP tlog-checkpoint) and what witnesses added to them.
create table audit_checkpoints (
  origin text not null,
  size bigint not null check (size >= 0),
  root bytea not null check (octet_length(root) = 32),
  -- The whole note with our signature.
  note text not null,
  key_name text not null,
  -- 8 hex digits, as in the verifier key.
  key_id text not null,
  signed_at_ms bigint not null,
  primary key (origin, size, key_name, key_id)
);
create table audit_cosignatures (
  origin text not null,
  size bigint not null,
  root bytea not null check (octet_length(root) = 32),
  name text not null,
  key_id text not null,
  -- The signature line of the note.
  line text not null,
  signed_at_ms bigint not null,
  primary key (origin, size, name, key_id)
);

-- Payloads that do not fit a leaf, sealed as their box is; the leaf holds the commitment.
create table audit_large_payloads (
  tenant_id uuid not null,
  tenant_key text collate "C" not null,
  event_id text collate "C" not null,
  ref uuid,
  sealed bytea not null,
  primary key (tenant_key, event_id)
);
alter table audit_large_payloads alter sealed set storage external;

-- Whose keys seal a value that was kept aside; without one of them it opens no more.
alter table audit_conflicts add column refs uuid[] not null default '{}';

-- One key a tenant and version of the platform's keys, in an envelope; it wraps the keys of subjects.
create table audit_tenant_keys (
  tenant_id uuid not null,
  tenant_key text collate "C" not null,
  key_id text not null,
  envelope bytea not null,
  primary key (tenant_id, key_id)
);

-- The only link from a person to the ref that leaves carry, and the key of what is sealed about them. Erasure
-- deletes the row (CNF-20).
create table audit_subjects (
  tenant_id uuid not null,
  -- UUIDv5 of tenant|user|id, as everywhere.
  user_id uuid not null,
  ref uuid not null unique,
  -- Of audit_tenant_keys.
  key_id text not null,
  wrapped_key bytea not null,
  primary key (tenant_id, user_id)
);

-- PRV-14: until when a person is erased, under the UUIDv5 of tenant|subject|user, which names nobody.
create table audit_erased (
  subject_id uuid primary key,
  until_ms bigint not null
);

-- How far each emitter is. Times are the broker's.
create table audit_emitters (
  emitter text collate "C" primary key,
  -- Those of one process, one boot after the other; null for one that goes on for ever.
  instance text collate "C",
  next_seq bigint not null,
  closed boolean not null default false,
  last_at_ms bigint not null,
  -- What is missed and may still come: [{"from", "to", "at", "partition", "offset"}], see emitters.ts.
  pending jsonb not null default '[]',
  -- When the first of it is given up; null: nothing is missed.
  due_at_ms bigint,
  -- Records that were given up.
  missing bigint not null default 0
);
create index idx_audit_emitters_open on audit_emitters (instance)
  where instance is not null and not closed;
create index idx_audit_emitters_due on audit_emitters (due_at_ms) where due_at_ms is not null;

do $$
declare
  table_name text;
begin
  foreach table_name in array array['audit_leaves', 'audit_tiles', 'audit_checkpoints',
    'audit_cosignatures', 'audit_large_payloads', 'audit_tenant_keys']
  loop
    execute format('create trigger no_change before update or delete on %I
                      for each row execute function refuse_audit_change()', table_name);
    execute format('create trigger no_truncate before truncate on %I
                      for each statement execute function refuse_audit_change()', table_name);
    -- Also where session_replication_role switches ordinary triggers off.
    execute format('alter table %I enable always trigger no_change', table_name);
    execute format('alter table %I enable always trigger no_truncate', table_name);
    execute format('grant select, insert on %I to vigie_audit_sink', table_name);
  end loop;

  foreach table_name in array array['audit_leaves', 'audit_large_payloads', 'audit_tenant_keys',
    'audit_subjects']
  loop
    execute format('alter table %I enable row level security', table_name);
    execute format('alter table %I force row level security', table_name);
    execute format('create policy sink_reads on %I for select to vigie_audit_sink
                      using (true)', table_name);
    execute format('create policy sink_appends on %I for insert to vigie_audit_sink
                      with check (true)', table_name);
    -- TEN-02; an export of the whole log sets vigie.audit_all, which only the platform's own may ask for.
    execute format('create policy edge_reads on %I for select to vigie_edge
                      using (tenant_id = current_tenant()
                             or current_setting(''vigie.audit_all'', true) = ''on'')', table_name);
    execute format('grant select on %I to vigie_edge', table_name);
  end loop;

  foreach table_name in array array['audit_log_retired', 'audit_leaves', 'audit_tiles', 'audit_head',
    'audit_checkpoints', 'audit_cosignatures', 'audit_large_payloads', 'audit_conflicts',
    'audit_tenant_keys', 'audit_subjects', 'audit_erased', 'audit_emitters']
  loop
    execute format('revoke all on %I from public', table_name);
    execute format('alter table %I owner to vigie_audit_owner', table_name);
  end loop;
  alter function refuse_audit_change() owner to vigie_audit_owner;
end
$$;

-- Hashes tell nothing of what was hashed, and a proof needs those of all tenants.
create policy owner_reads on audit_leaves for select to vigie_audit_owner using (true);
create view audit_leaf_hashes with (security_barrier) as
  select index, leaf_hash from audit_leaves;
alter view audit_leaf_hashes owner to vigie_audit_owner;
grant select on audit_leaf_hashes to vigie_audit_sink;
grant select on audit_leaf_hashes, audit_tiles, audit_head, audit_checkpoints, audit_cosignatures,
  audit_emitters to vigie_edge;

-- A link is made once and taken away once.
create trigger no_change before update on audit_subjects
  for each row execute function refuse_audit_change();
alter table audit_subjects enable always trigger no_change;
create policy sink_erases on audit_subjects for delete to vigie_audit_sink using (true);
grant select, insert, delete on audit_subjects to vigie_audit_sink;

grant select, insert, update on audit_erased, audit_emitters to vigie_audit_sink;
grant select, update (size, frontier, destroyed, erased_until_ms) on audit_head to vigie_audit_sink;

-- The audit's part of an erasure is told where the others' are.
create policy audit_sink_reads on erasure_parts for select to vigie_audit_sink using (true);
create policy audit_sink_tells on erasure_parts for insert to vigie_audit_sink with check (true);
grant select, insert on erasure_parts to vigie_audit_sink;

do $$
begin
  execute format('revoke create on schema %I from vigie_audit_owner', current_schema());
end
$$;
