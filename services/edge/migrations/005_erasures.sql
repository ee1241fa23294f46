-- PRV-14: erasure, asked for by the person or by an administrator.

create policy edge_requests on erasures for insert to vigie_edge
  with check (tenant_id = current_tenant());
create policy edge_tells on erasure_parts for insert to vigie_edge
  with check (tenant_id = current_tenant());
grant insert on erasures, erasure_parts to vigie_edge;

-- Whoever is erased may have decided over others: the decision stays, the name goes.
create policy own_unnamed on epoch_decisions for update to vigie_edge
  using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
grant update (actor_id) on epoch_decisions to vigie_edge;
