-- PRV-14: who was erased when, and which parts of the platform have done it.
create table erasures (
  tenant_id uuid not null,
  erasure_id varchar(128) not null,
  -- The UUIDv5 of tenant|subject|user: recognises the person's late events and tells nobody who it was.
  subject_id uuid not null,
  -- What happened up to here is erased and stays so.
  requested_at timestamp(3) not null,
  primary key (tenant_id, erasure_id)
);
create index idx_erasures_subject on erasures (tenant_id, subject_id);

create table erasure_parts (
  tenant_id uuid not null,
  erasure_id varchar(128) not null,
  -- session-sink, audit-sink, ...
  part varchar(64) not null,
  done_at timestamp(3) not null default (now() at time zone 'utc'),
  primary key (tenant_id, erasure_id, part),
  foreign key (tenant_id, erasure_id) references erasures (tenant_id, erasure_id) on delete cascade
);

alter table erasures enable row level security;
alter table erasure_parts enable row level security;
create policy tenant_only on erasures for select to vigie_reader
  using (tenant_id = current_tenant());
create policy tenant_only on erasure_parts for select to vigie_reader
  using (tenant_id = current_tenant());
grant select on erasures, erasure_parts to vigie_reader;
