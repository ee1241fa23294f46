-- GEO-10, PRV-08, PRV-09: positions of people who have opted in, sealed, a day at most.

-- Whoever may do nothing but purge: a job outside of the service.
do $$
begin
  create role vigie_gps_purge nologin;
exception when duplicate_object or unique_violation then null;
end
$$;

create table molam_gps_ephemeral (
  tenant_id uuid not null,
  user_id uuid not null,
  id uuid not null,
  -- The row's own data key, encrypted under the platform's.
  wrapped_key bytea not null,
  -- iv (12), tag (16), ciphertext
  sealed bytea not null check (octet_length(sealed) > 28),
  stored_at timestamptz not null default now(),
  expires_at timestamptz not null,
  primary key (tenant_id, user_id, id),
  constraint a_day_at_most
    check (expires_at > stored_at and expires_at <= stored_at + interval '24 hours')
);
create index idx_gps_ephemeral_newest on molam_gps_ephemeral (tenant_id, user_id, stored_at desc);
create index idx_gps_ephemeral_expires on molam_gps_ephemeral (expires_at);

-- Its owner is not held to a tenant: the purge is of all.
alter table molam_gps_ephemeral enable row level security;
create policy own_tenant on molam_gps_ephemeral to vigie_geo
  using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
-- When a row was stored is said by the database alone, and no end is moved.
grant select, delete, insert (tenant_id, user_id, id, wrapped_key, sealed, expires_at)
  on molam_gps_ephemeral to vigie_geo;

-- Every run of the purge; written by the function alone. It names nobody.
create table molam_gps_purges (
  id bigint generated always as identity primary key,
  ran_at timestamptz not null,
  purged bigint not null,
  -- The longest that one of them was kept; null: there was none.
  kept_max interval
);
create index idx_gps_purges_ran on molam_gps_purges (ran_at);
grant select on molam_gps_purges to vigie_geo;

do $$
begin
  execute format($function$
    create function purge_expired_gps() returns bigint
      language plpgsql security definer set search_path = %1$I, pg_temp
      as $body$
    declare
      deleted bigint;
    begin
      with gone as (
        delete from molam_gps_ephemeral where expires_at <= now() returning stored_at
      ), run as (
        insert into molam_gps_purges (ran_at, purged, kept_max)
        select now(), count(*), now() - min(stored_at) from gone
        returning purged
      )
      select purged into deleted from run;
      -- A year shows that it ran every day.
      delete from molam_gps_purges where ran_at < now() - interval '400 days';
      return deleted;
    end
    $body$
  $function$, current_schema());
  execute format('grant usage on schema %I to vigie_gps_purge', current_schema());
end
$$;
revoke execute on function purge_expired_gps() from public;
grant execute on function purge_expired_gps() to vigie_geo, vigie_gps_purge;
