-- GEO-07 to GEO-09: what people consent to, where they were last, and their own record of it.

create table molam_user_geo_prefs (
  tenant_id uuid not null,
  user_id uuid not null,
  gps_opt_in boolean not null,
  -- Characters of a geohash.
  precision_level smallint not null check (precision_level in (2, 3, 5, 6, 7)),
  -- Null: it follows from where the person is.
  preferred_country char(2),
  preferred_currency char(3),
  preferred_locale varchar(16),
  preferred_timezone varchar(64),
  home_country char(2),
  updated_at timestamp(3) not null,
  primary key (tenant_id, user_id),
  -- GEO-19: what is finer than a city needs the opt-in.
  check (gps_opt_in or precision_level <= 5)
);

-- One row a person, no finer than the level of then.
create table molam_geo_last_context (
  tenant_id uuid not null,
  user_id uuid not null,
  source varchar(8) not null check (source in ('gps', 'sim', 'ip', 'unknown')),
  country char(2),
  region varchar(128),
  city varchar(128),
  geohash varchar(7),
  timezone varchar(64),
  is_vpn boolean not null,
  is_mobile boolean not null,
  carrier varchar(64),
  captured_at timestamp(3) not null,
  primary key (tenant_id, user_id)
);

create table molam_geo_events (
  tenant_id uuid not null,
  user_id uuid not null,
  id uuid not null,
  event_type varchar(32) not null check (event_type in (
    'location_captured', 'country_mismatch', 'vpn_detected', 'impossible_travel', 'ussd_routed',
    'currency_switched', 'timezone_updated')),
  occurred_at timestamp(3) not null,
  country char(2),
  region varchar(128),
  city varchar(128),
  geohash varchar(7),
  details jsonb not null default '{}',
  primary key (tenant_id, id)
);
-- A person reads their own, newest first, and all of a person's are erased.
create index idx_geo_events_user on molam_geo_events (tenant_id, user_id, occurred_at desc, id desc);
-- What is older than it is kept is deleted of all tenants at once.
create index idx_geo_events_time on molam_geo_events (occurred_at);

do $$
declare
  name text;
begin
  foreach name in array array[
    'molam_user_geo_prefs', 'molam_geo_last_context', 'molam_geo_events']
  loop
    execute format('alter table %I enable row level security', name);
    execute format('alter table %I force row level security', name);
    execute format('create policy own_tenant on %I to vigie_geo
      using (tenant_id = current_tenant()) with check (tenant_id = current_tenant())', name);
    execute format('grant select, insert, update, delete on %I to vigie_geo', name);
  end loop;
end
$$;
