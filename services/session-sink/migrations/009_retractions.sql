-- ANO-17: what withdraws an anomaly. It may come before the anomaly, which then takes it over as it is written; and it
-- is only of the anomaly's own user.
create table session_anomaly_retractions (
  -- The anomaly's.
  id uuid not null,
  tenant_id uuid not null references tenants (id) on delete cascade,
  user_id uuid not null,
  -- The anomaly_id of the record that says so.
  retracted_by varchar(128) not null,
  retracted_at timestamp(3) not null,
  primary key (tenant_id, user_id, id),
  foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create index idx_session_anomaly_retractions_retracted
  on session_anomaly_retractions (tenant_id, retracted_at);
alter table session_anomaly_retractions enable row level security;
alter table session_anomaly_retractions force row level security;
create policy tenant_only on session_anomaly_retractions for select to vigie_reader
  using (tenant_id = current_tenant());
create policy sink_writes on session_anomaly_retractions to vigie_session_sink
  using (true) with check (true);
grant select on session_anomaly_retractions to vigie_reader;
grant select, insert, delete on session_anomaly_retractions to vigie_session_sink;

alter table session_anomalies add column retracted_by varchar(128);
grant update (retracted_by) on session_anomalies to vigie_session_sink;

-- The security event of an anomaly has the anomaly's own id: one retraction names both.
update session_security_events event set id = anomaly.id
  from session_anomalies anomaly
 where anomaly.tenant_id = event.tenant_id and anomaly.user_id = event.user_id
   and anomaly.anomaly_id = event.origin_id and event.source in ('detector', 'sessions');
