-- Who the geo service is. Its tables follow, each with what it may do there.

do $$
begin
  create role vigie_geo nologin;
exception when duplicate_object or unique_violation then null;
end
$$;

do $$
begin
  execute format('grant usage on schema %I to vigie_geo', current_schema());
end
$$;

-- The outbox is one table with a carrier for each role: preferences are geo's, all else the edge's.
create policy geo_carries on outbox to vigie_geo
  using (topic = 'id.geo.prefs') with check (topic = 'id.geo.prefs');
alter policy edge_carries on outbox
  using (topic <> 'id.geo.prefs') with check (topic <> 'id.geo.prefs');
grant select, insert, delete on outbox to vigie_geo;

-- How far what it reads of topics was applied.
grant select, insert, update on sink_offsets to vigie_geo;
