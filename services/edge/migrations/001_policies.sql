-- What the edge itself changes: session policies, and the outbox that carries changes to their topics.

do $$
begin
  create role vigie_edge nologin;
exception when duplicate_object or unique_violation then null;
end
$$;
-- It reads as any reader does: one tenant at a time.
grant vigie_reader to vigie_edge;

-- POL-02. One row a tenant, '*' for the default of all. No row is an empty document, version 0.
create table session_policies (
  tenant_id uuid primary key,
  tenant_key varchar(64) not null unique,
  version bigint not null check (version > 0),
  document jsonb not null,
  updated_at timestamp(3) not null,
  updated_by varchar(128) not null
);

-- Records on their way to Kafka, in the order of id within a topic and key; gone once the broker has them.
create table outbox (
  id bigint generated always as identity primary key,
  topic text not null,
  key text not null,
  -- Null: that of the key.
  partition integer,
  -- Null: a tombstone.
  value bytea,
  enqueued_at timestamptz not null default clock_timestamp()
);

alter table session_policies enable row level security;
alter table session_policies force row level security;
create policy own_and_default on session_policies for select to vigie_edge
  using (tenant_id = current_tenant() or tenant_key = '*');
create policy own_added on session_policies for insert to vigie_edge
  with check (tenant_id = current_tenant());
create policy own_changed on session_policies for update to vigie_edge
  using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
grant select, insert, update on session_policies to vigie_edge;

alter table outbox enable row level security;
alter table outbox force row level security;
create policy edge_carries on outbox to vigie_edge using (true) with check (true);
grant select, insert, delete on outbox to vigie_edge;

do $$
begin
  execute format('grant usage on schema %I to vigie_edge', current_schema());
end
$$;
