-- REV-03: every decision to revoke a whole tenant, organisation, role or channel. The outbox carries it to its topic.
create table epoch_decisions (
  tenant_id uuid not null,
  epoch_id varchar(128) not null,
  tenant_key varchar(64) not null,
  -- TENANT, ORG, ROLE, CHANNEL
  scope varchar(16) not null,
  -- '' for the whole tenant.
  value varchar(128) not null,
  -- Time of the broker, milliseconds since the epoch: the record has it to the millisecond as well.
  not_before_ms bigint not null,
  reason varchar(100) not null,
  actor_type varchar(16) not null,
  actor_id varchar(255) not null,
  decided_at timestamptz not null default clock_timestamp(),
  primary key (tenant_id, epoch_id)
);
create index idx_epoch_decisions_scope on epoch_decisions (tenant_id, scope, value, not_before_ms);

alter table epoch_decisions enable row level security;
alter table epoch_decisions force row level security;
create policy own_seen on epoch_decisions for select to vigie_edge
  using (tenant_id = current_tenant());
create policy own_added on epoch_decisions for insert to vigie_edge
  with check (tenant_id = current_tenant());
grant select, insert on epoch_decisions to vigie_edge;
