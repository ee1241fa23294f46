-- Commands, decisions, acknowledgements, policies and security events, and what reads of them need. UTC throughout.

-- Ids as events and tokens have them.
alter table session_anomalies
  add user_key varchar(128),
  add session_key varchar(128);
alter table session_revocations
  add user_key varchar(128),
  add session_key varchar(128),
  add device_key varchar(128),
  add channel varchar(16);

-- REV-04, REV-05: a command and what it did. Either half may come first.
create table session_commands (
  id uuid primary key,
  tenant_id uuid not null references tenants (id) on delete cascade,
  user_id uuid not null,
  user_key varchar(128) not null,
  command_id varchar(128) not null,
  batch_id varchar(128),
  requested_at timestamp(3),
  kind varchar(32),
  session_key varchar(128),
  device_key varchar(128),
  channel varchar(16),
  keep_session_key varchar(128),
  reason varchar(100),
  actor_type varchar(16),
  actor_id varchar(255),
  impersonator_id varchar(128),
  decided_at timestamp(3),
  revoked_session_keys jsonb,
  already_ended integer,
  -- The earlier of the two times; retention goes by it.
  noted_at timestamp(3) not null,
  foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create index idx_session_commands_user on session_commands (tenant_id, user_id, noted_at);
create index idx_session_commands_batch on session_commands (tenant_id, batch_id)
  where batch_id is not null;
create index idx_session_commands_noted on session_commands (tenant_id, noted_at);

-- CNF-12: the risk engine's own decisions.
create table session_risk_decisions (
  id uuid primary key,
  tenant_id uuid not null references tenants (id) on delete cascade,
  user_id uuid not null,
  session_id uuid,
  user_key varchar(128) not null,
  session_key varchar(128),
  decision_id varchar(128) not null,
  anomaly_id varchar(128),
  action varchar(16) not null,
  decided_at timestamp(3) not null,
  reason varchar(100) not null,
  foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create index idx_session_risk_decisions_user
  on session_risk_decisions (tenant_id, user_id, decided_at);
create index idx_session_risk_decisions_decided on session_risk_decisions (tenant_id, decided_at);

-- The newest verdict on an anomaly; id is the anomaly's.
create table session_anomaly_labels (
  id uuid primary key,
  tenant_id uuid not null references tenants (id) on delete cascade,
  user_id uuid not null,
  anomaly_id varchar(128) not null,
  label varchar(16) not null,
  note text,
  labelled_at timestamp(3) not null,
  actor_type varchar(16) not null,
  actor_id varchar(255) not null,
  foreign key (tenant_id, user_id) references users (tenant_id, id) on delete cascade
);
create index idx_session_anomaly_labels_user on session_anomaly_labels (tenant_id, user_id);
create index idx_session_anomaly_labels_labelled on session_anomaly_labels (tenant_id, labelled_at);

-- Who acted when on a revocation: the first word of each enforcement point. revocation is the id of
-- session_revocations; its time is here as soon as both have come.
create table session_revocation_acks (
  tenant_id uuid not null,
  revocation uuid not null,
  enforcement_point varchar(128) not null,
  revocation_id varchar(128) not null,
  acted_at timestamp(3) not null,
  revoked_at timestamp(3),
  delay_ms bigint,
  primary key (tenant_id, revocation, enforcement_point)
);
create index idx_session_revocation_acks_acted on session_revocation_acks (tenant_id, acted_at);

create table enforcement_points (
  tenant_id uuid not null,
  name varchar(128) not null,
  last_acted_at timestamp(3) not null,
  primary key (tenant_id, name)
);

-- The newest epoch of each scope.
create table session_epochs (
  tenant_id uuid not null,
  scope varchar(16) not null,
  -- '' for the whole tenant.
  value varchar(128) not null,
  tenant_key varchar(64) not null,
  epoch_id varchar(128) not null,
  not_before timestamp(3) not null,
  reason varchar(100) not null,
  actor_type varchar(16) not null,
  actor_id varchar(255) not null,
  primary key (tenant_id, scope, value)
);

-- POL-06: every version of a policy that came by; tenant_key '*' is everybody's default.
create table session_policy_changes (
  tenant_id uuid not null,
  tenant_key varchar(64) not null,
  version bigint not null,
  updated_at timestamp(3) not null,
  actor_type varchar(16) not null,
  actor_id varchar(255) not null,
  document jsonb not null,
  primary key (tenant_id, version)
);

-- ANO-18: what a security operations centre takes in.
create table session_security_events (
  id uuid primary key,
  tenant_id uuid not null,
  user_id uuid,
  session_id uuid,
  user_key varchar(128),
  session_key varchar(128),
  kind varchar(128) not null,
  severity varchar(16) not null,
  -- Which service found it.
  source varchar(64) not null,
  -- The anomaly or audit event it came from.
  origin_id varchar(128) not null,
  evidence jsonb not null default '{}',
  occurred_at timestamp(3) not null,
  recorded_at timestamp(3) not null default (now() at time zone 'utc'),
  retracted_at timestamp(3)
);
create index idx_session_security_events_time
  on session_security_events (tenant_id, occurred_at);
create index idx_session_security_events_user
  on session_security_events (tenant_id, user_id, occurred_at) where user_id is not null;

-- How fast each enforcement point has acted in the last 24 hours.
create view revocation_ack_latency as
  select tenant_id, enforcement_point, count(*) as acks,
         percentile_cont(0.5) within group (order by delay_ms) as p50_ms,
         percentile_cont(0.99) within group (order by delay_ms) as p99_ms,
         max(delay_ms) as max_ms, max(acted_at) as last_acted_at
    from session_revocation_acks
   where acted_at > (now() at time zone 'utc') - interval '24 hours' and delay_ms is not null
   group by tenant_id, enforcement_point;

-- Revocations of the last 24 hours that an enforcement point, which was heard of within 7 days, has not answered.
create view revocations_unanswered as
  select revocation.tenant_id, revocation.revocation_id, point.name as enforcement_point,
         revocation.revoked_at
    from session_revocations revocation
    join enforcement_points point on point.tenant_id = revocation.tenant_id
   where revocation.revoked_at > (now() at time zone 'utc') - interval '24 hours'
     and point.last_acted_at > (now() at time zone 'utc') - interval '7 days'
     and not exists (select from session_revocation_acks ack
                      where ack.tenant_id = revocation.tenant_id
                        and ack.revocation = revocation.id
                        and ack.enforcement_point = point.name);

do $$
declare
  table_name text;
begin
  foreach table_name in array
    array['session_commands', 'session_risk_decisions', 'session_anomaly_labels',
          'session_revocation_acks', 'enforcement_points', 'session_epochs',
          'session_policy_changes', 'session_security_events']
  loop
    execute format('alter table %I enable row level security', table_name);
    execute format('alter table %I force row level security', table_name);
    execute format('create policy tenant_only on %I for select to vigie_reader
                      using (tenant_id = current_tenant())', table_name);
    execute format('create policy sink_writes on %I to vigie_session_sink
                      using (true) with check (true)', table_name);
    execute format('grant select on %I to vigie_reader', table_name);
  end loop;
  -- Views ask the rights of who reads them; before version 15 they cannot, and are not granted.
  if current_setting('server_version_num')::int >= 150000 then
    alter view revocation_ack_latency set (security_invoker = true);
    alter view revocations_unanswered set (security_invoker = true);
    grant select on revocation_ack_latency, revocations_unanswered to vigie_reader;
  end if;
end
$$;
create policy default_for_all on session_policy_changes for select to vigie_reader
  using (tenant_key = '*');

grant select, insert, update, delete
  on session_commands, session_anomaly_labels, session_revocation_acks, session_epochs,
     session_security_events
  to vigie_session_sink;
grant select, insert, delete on session_risk_decisions to vigie_session_sink;
grant select, insert, update on enforcement_points, session_policy_changes to vigie_session_sink;
