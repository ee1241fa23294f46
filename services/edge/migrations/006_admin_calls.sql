-- Calls of administrators that carry an Idempotency-Key and are on record in the audit: known at every edge.
create table admin_calls (
  tenant_id uuid not null,
  -- The call's id, and the place in its pages.
  call varchar(128) not null,
  -- Time of the broker, milliseconds since the epoch.
  recorded_at_ms bigint not null,
  noted_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, call)
);
create index idx_admin_calls_noted on admin_calls (tenant_id, noted_at);

alter table admin_calls enable row level security;
alter table admin_calls force row level security;
create policy own_only on admin_calls to vigie_edge
  using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
grant select, insert, delete on admin_calls to vigie_edge;
