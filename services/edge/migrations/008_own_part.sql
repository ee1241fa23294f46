-- That an erasure is done is said by the edge of itself only.
alter policy edge_tells on erasure_parts
  with check (tenant_id = current_tenant() and part = 'edge');
