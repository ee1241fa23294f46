-- PRV-13: a person's record of their places goes back as far as the platform keeps it, of all tenants alike.

-- Its owner is not held to a tenant: what is deleted for its age is of all.
alter table molam_geo_events no force row level security;

do $$
begin
  execute format($function$
    create function delete_old_geo_events(kept interval, rows_max integer) returns bigint
      language plpgsql security definer set search_path = %1$I, pg_temp
      as $body$
    declare
      deleted bigint;
    begin
      -- Whoever asks for less than a day means a fault.
      if kept < interval '1 day' then
        raise exception 'events are kept for a day at least';
      end if;
      delete from molam_geo_events
       where (tenant_id, id) in (
         select tenant_id, id from molam_geo_events
          where occurred_at < (now() at time zone 'utc') - kept
          order by occurred_at limit rows_max);
      get diagnostics deleted = row_count;
      return deleted;
    end
    $body$
  $function$, current_schema());
end
$$;
revoke execute on function delete_old_geo_events(interval, integer) from public;
grant execute on function delete_old_geo_events(interval, integer) to vigie_geo;
