-- ANO-17: what a rule on trial found is no alarm. Activities that were written of such anomalies before go; the anomalies
-- stay, with their mode.
delete from session_activities activity using session_anomalies anomaly
 where anomaly.mode <> 'ENFORCE'
   and activity.tenant_id = anomaly.tenant_id and activity.user_id = anomaly.user_id
   and activity.timestamp = anomaly.occurred_at
   and activity.activity_type = 'anomaly' and activity.event_id = anomaly.anomaly_id;
