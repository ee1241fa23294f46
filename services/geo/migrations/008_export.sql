-- PRV-05, PRV-14: the edge's export tells people what is held on them here, too. It sees no position, number or secret.

grant select on molam_user_geo_prefs, molam_geo_last_context, molam_geo_events to vigie_edge;
grant select (tenant_id, user_id, id, stored_at, expires_at) on molam_gps_ephemeral to vigie_edge;
grant select (tenant_id, id, user_id, user_key, country_code, language, linked_at, sim_changed_at)
  on ussd_links to vigie_edge;
grant select (tenant_id, user_id, set_at, tries, locks, locked_until) on ussd_pins to vigie_edge;
grant select (tenant_id, user_id, expires_at, tries) on ussd_reset_codes to vigie_edge;

do $$
declare
  name text;
begin
  foreach name in array array[
    'molam_user_geo_prefs', 'molam_geo_last_context', 'molam_geo_events', 'molam_gps_ephemeral',
    'ussd_links', 'ussd_pins', 'ussd_reset_codes']
  loop
    execute format('create policy edge_exports on %I for select to vigie_edge
      using (tenant_id = current_tenant())', name);
  end loop;
end
$$;
