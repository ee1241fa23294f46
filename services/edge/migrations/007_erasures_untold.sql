-- Erasures whose end is not on record in the audit yet. It names nobody.
create table erasures_untold (
  tenant_id uuid not null,
  -- The tenant's own name.
  tenant_key varchar(64) not null,
  erasure_id varchar(128) not null,
  primary key (erasure_id, tenant_id)
);

alter table erasures_untold enable row level security;
alter table erasures_untold force row level security;
-- Looked for over all tenants.
create policy edge_tells_all on erasures_untold to vigie_edge using (true) with check (true);
grant select, insert, delete, update on erasures_untold to vigie_edge;
