-- How the edge reads: one person's rows, and lists of a tenant, newest first, so that what comes after a row is a
-- condition on an index. docs/query-plans.md shows each at work.

-- One person's sessions; the condition lets them be counted from the index alone.
create index idx_user_sessions_user_created on user_sessions (tenant_id, user_id, created_at)
  where status not in ('PENDING', 'NONE', 'REFUSED');
-- Sessions of a device, which several people may share; takes the place of the one that the foreign key needs.
create index idx_user_sessions_device_created on user_sessions (tenant_id, device_id, created_at)
  where device_id is not null;
drop index idx_user_sessions_device;

-- Search. A filter that few rows pass has an index of its own; channels are too few to need one.
create index idx_user_sessions_created on user_sessions (tenant_id, created_at)
  where status not in ('PENDING', 'NONE', 'REFUSED');
create index idx_user_sessions_status on user_sessions (tenant_id, status, created_at);
create index idx_user_sessions_country on user_sessions (tenant_id, country, created_at)
  where country is not null;
create index idx_user_sessions_org on user_sessions (tenant_id, org_id, created_at)
  where org_id is not null;
create index idx_user_sessions_risk on user_sessions (tenant_id, created_at) where risk_score > 0;

-- OBS-07: sessions begun by day and channel. They outlive the sessions, so that growth can be told.
create table session_usage (
  tenant_id uuid not null references tenants (id) on delete cascade,
  day date not null,
  session_type varchar(50) not null,
  sessions bigint not null,
  primary key (tenant_id, day, session_type)
);
alter table session_usage enable row level security;
alter table session_usage force row level security;
create policy tenant_only on session_usage for select to vigie_reader
  using (tenant_id = current_tenant());
create policy sink_writes on session_usage to vigie_session_sink using (true) with check (true);
grant select on session_usage to vigie_reader;
grant select, insert, update on session_usage to vigie_session_sink;
