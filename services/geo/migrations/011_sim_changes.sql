-- USS-02: that a number has another SIM is remembered for itself, whether it is linked, unlinked or put anew.

-- It names nobody; with a person it goes by the link of theirs.
create table ussd_sim_changes (
  tenant_id uuid not null,
  -- As in ussd_links: of the link while there is one, else under the key of its day.
  phone_hash char(64) not null,
  changed_at timestamptz(3) not null,
  primary key (tenant_id, phone_hash)
);
create index idx_ussd_sim_changes_changed on ussd_sim_changes (changed_at);

-- Its owner is not held to a tenant: what is deleted for its age is of all.
alter table ussd_sim_changes enable row level security;
create policy tenant_only on ussd_sim_changes to vigie_geo
  using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
grant select, insert, update, delete on ussd_sim_changes to vigie_geo;

alter table ussd_links no force row level security;
insert into ussd_sim_changes (tenant_id, phone_hash, changed_at)
  select tenant_id, phone_hash, sim_changed_at from ussd_links where sim_changed_at is not null;
alter table ussd_links force row level security;

do $$
begin
  execute format($function$
    create function delete_old_sim_changes(kept interval, rows_max integer) returns bigint
      language plpgsql security definer set search_path = %1$I, pg_temp
      as $body$
    declare
      deleted bigint;
    begin
      -- Whoever asks for less than a day means a fault.
      if kept < interval '1 day' then
        raise exception 'changes of SIM are kept for a day at least';
      end if;
      delete from ussd_sim_changes
       where (tenant_id, phone_hash) in (
         select tenant_id, phone_hash from ussd_sim_changes
          where changed_at < now() - kept
          order by changed_at limit rows_max);
      get diagnostics deleted = row_count;
      return deleted;
    end
    $body$
  $function$, current_schema());
end
$$;
revoke execute on function delete_old_sim_changes(interval, integer) from public;
grant execute on function delete_old_sim_changes(interval, integer) to vigie_geo;
