-- Verdicts are held once, as the edge keeps them. What only the copy from the topic knows goes over, where its anomaly
-- is still there; that copy goes.

-- The owner of the tables need not be above their policies.
alter table session_anomalies no force row level security;
alter table session_anomaly_labels no force row level security;
alter table session_anomaly_verdicts no force row level security;
insert into session_anomaly_verdicts
       (id, tenant_id, user_id, anomaly_id, label, note, labelled_at, actor_type, actor_id)
select anomaly.id, anomaly.tenant_id, anomaly.user_id, anomaly.anomaly_id, told.label,
       left(told.note, 1000), told.labelled_at, told.actor_type, told.actor_id
  from session_anomaly_labels told
  join session_anomalies anomaly using (id, tenant_id, user_id)
 where not exists (select from session_anomaly_verdicts kept where kept.id = told.id);
alter table session_anomalies force row level security;
alter table session_anomaly_verdicts force row level security;

drop table session_anomaly_labels;
