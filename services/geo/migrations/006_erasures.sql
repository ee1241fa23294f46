-- PRV-14: geo erases whoever is asked for, says so, and takes nothing in again of before.
create policy geo_sees on erasures for select to vigie_geo using (tenant_id = current_tenant());
create policy geo_tells on erasure_parts for insert to vigie_geo
  with check (tenant_id = current_tenant());
grant select on erasures to vigie_geo;
grant insert on erasure_parts to vigie_geo;
