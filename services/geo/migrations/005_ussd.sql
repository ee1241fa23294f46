-- USSD: which tenant a code belongs to, whose phone it is, and their PINs.

-- USS-09. Looked up before a tenant is known; holds nothing of persons.
create table ussd_service_codes (
  -- As dialled, *131#, or the number of a voice line.
  service_code varchar(32) not null,
  country_code char(2) not null,
  tenant_id uuid not null,
  -- The id in tokens and events.
  tenant_key varchar(64) not null,
  -- What a person who needs help is told to call.
  support_phone varchar(20),
  primary key (service_code, country_code)
);
create index idx_ussd_service_codes_tenant on ussd_service_codes (tenant_id);

-- USS-02. A phone is of one person of a tenant; a person may have several.
create table ussd_links (
  tenant_id uuid not null,
  id uuid not null,
  -- HMAC-SHA-256 of the number under the tenant's key of this id.
  phone_hash char(64) not null,
  key_id varchar(32) not null,
  -- The number, to make the hash anew under the next key.
  sealed_phone bytea not null,
  user_id uuid not null,
  -- The id in tokens and events.
  user_key varchar(128) not null,
  country_code char(2) not null,
  language char(2) check (language in ('fr', 'en')),
  linked_at timestamptz(3) not null,
  -- When an operator told of another SIM for the number.
  sim_changed_at timestamptz(3),
  primary key (tenant_id, id),
  unique (tenant_id, phone_hash)
);
create index idx_ussd_links_user on ussd_links (tenant_id, user_id);
-- Rows of an older key are looked for every hour.
create index idx_ussd_links_key on ussd_links (tenant_id, key_id);

create table ussd_pins (
  tenant_id uuid not null,
  user_id uuid not null,
  -- Argon2id, under our keys.
  sealed_hash bytea not null,
  set_at timestamptz(3) not null,
  -- Tries since it was last right; at the last one it is locked and they begin anew.
  tries smallint not null default 0 check (tries between 0 and 4),
  -- How often it was locked since it was last right.
  locks smallint not null default 0,
  locked_until timestamptz(3),
  primary key (tenant_id, user_id)
);

-- The second proof for a new PIN by phone: drawn in a signed-in session, right once.
create table ussd_reset_codes (
  tenant_id uuid not null,
  user_id uuid not null,
  code_hash bytea not null,
  expires_at timestamptz(3) not null,
  tries smallint not null default 0,
  primary key (tenant_id, user_id)
);

do $$
declare
  name text;
begin
  foreach name in array array['ussd_service_codes', 'ussd_links', 'ussd_pins', 'ussd_reset_codes']
  loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format(
      'create policy tenant_only on %I to vigie_geo using (tenant_id = current_tenant())
       with check (tenant_id = current_tenant())', name);
    execute format('grant select, insert, update, delete on %I to vigie_geo', name);
  end loop;
end
$$;
create policy any_seen on ussd_service_codes for select to vigie_geo using (true);
