-- That an erasure is done is said by geo of itself only.
alter policy geo_tells on erasure_parts
  with check (tenant_id = current_tenant() and part = 'geo');
