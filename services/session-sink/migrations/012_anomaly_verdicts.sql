-- What administrators found anomalies to be: every verdict, the newest counts. The edge writes them; they go with
-- their anomaly, by retention or erasure.

do $$
begin
  create role vigie_edge nologin;
exception when duplicate_object or unique_violation then null;
end
$$;

create table session_anomaly_verdicts (
  -- The anomaly's.
  id uuid not null references session_anomalies (id) on delete cascade,
  tenant_id uuid not null,
  user_id uuid not null,
  anomaly_id varchar(128) not null,
  label varchar(16) not null,
  note varchar(1000),
  -- Later than that of the verdict before.
  labelled_at timestamp(3) not null,
  actor_type varchar(16) not null,
  actor_id varchar(255) not null,
  primary key (id, labelled_at)
);
create index idx_session_anomaly_verdicts_user
  on session_anomaly_verdicts (tenant_id, user_id, labelled_at);
create index idx_session_anomaly_verdicts_actor on session_anomaly_verdicts (tenant_id, actor_id);

alter table session_anomaly_verdicts enable row level security;
alter table session_anomaly_verdicts force row level security;
create policy tenant_only on session_anomaly_verdicts for select to vigie_reader
  using (tenant_id = current_tenant());
create policy own_added on session_anomaly_verdicts for insert to vigie_edge
  with check (tenant_id = current_tenant());
-- Whoever is erased may have judged: the verdict stays, the name goes.
create policy own_unnamed on session_anomaly_verdicts for update to vigie_edge
  using (tenant_id = current_tenant()) with check (tenant_id = current_tenant());
grant select on session_anomaly_verdicts to vigie_reader;
grant insert, update (actor_id) on session_anomaly_verdicts to vigie_edge;
