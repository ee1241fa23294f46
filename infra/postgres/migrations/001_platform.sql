-- What all services share: roles, tenants, users, and how far the sinks are.
-- Roles belong to the cluster, so other schemas may have created them already.
do $$
declare
  role_name text;
begin
  foreach role_name in array array['vigie_owner', 'vigie_reader']
  loop
    begin
      execute format('create role %I nologin', role_name);
    exception when duplicate_object or unique_violation then null;
    end;
  end loop;
  execute format('grant usage on schema %I to vigie_reader', current_schema());
end
$$;

-- The tenant of this transaction, set by the service from the validated token; null sees nothing.
create function current_tenant() returns uuid
  language sql stable
  as $$ select nullif(current_setting('vigie.tenant', true), '')::uuid $$;

-- IDN-22
create table tenants (
  id uuid primary key,
  -- The id in tokens and events.
  slug varchar(64) not null unique,
  name varchar(255) not null,
  is_active boolean not null default true,
  settings jsonb not null default '{}',
  created_at timestamp(3) not null default (now() at time zone 'utc')
);

-- IDN-22. A user is of one tenant: the same id in two tenants is two rows.
create table users (
  id uuid not null,
  tenant_id uuid not null references tenants (id) on delete cascade,
  -- The id in tokens and events.
  external_id varchar(128) not null,
  email varchar(320),
  password_hash varchar(255),
  is_active boolean not null default true,
  is_verified boolean not null default false,
  first_name varchar(255),
  last_name varchar(255),
  -- Known from an event only; nobody has delivered the user yet.
  is_stub boolean not null default false,
  created_at timestamp(3) not null default (now() at time zone 'utc'),
  primary key (tenant_id, id),
  unique (tenant_id, email)
);
create index idx_users_id on users (id);

-- SES-23. A device is its user's own: deleting one user of a shared phone must not end the other's sessions.
create table user_devices (
  id uuid not null,
  tenant_id uuid not null references tenants (id) on delete cascade,
  user_id uuid not null,
  external_id varchar(128) not null,
  is_stub boolean not null default false,
  first_seen_at timestamp(3) not null default (now() at time zone 'utc'),
  primary key (tenant_id, user_id, id),
  foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);

-- How far each sink is; written in the transaction that holds the effect.
create table sink_offsets (
  group_id text not null,
  topic text not null,
  partition integer not null,
  next_offset bigint not null,
  stored_at timestamptz not null default now(),
  primary key (group_id, topic, partition)
);

alter table tenants enable row level security;
alter table users enable row level security;
alter table user_devices enable row level security;
create policy tenant_only on tenants for select to vigie_reader using (id = current_tenant());
create policy tenant_only on users for select to vigie_reader using (tenant_id = current_tenant());
create policy tenant_only on user_devices for select to vigie_reader
  using (tenant_id = current_tenant());
grant select (id, slug, name, is_active, settings) on tenants to vigie_reader;
grant select (id, tenant_id, external_id, is_active) on users to vigie_reader;
grant select on user_devices to vigie_reader;
