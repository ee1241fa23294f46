-- The geo service asks whether the session of a token lives, as the edge does, and sees no more of it than that takes.
create policy liveness on user_sessions for select to vigie_geo
  using (tenant_id = current_tenant());
grant select (id, tenant_id, user_key, status, session_type, created_at, last_activity,
    absolute_expires_at, session_data, user_type, risk_score, org_id, device_key, country, city,
    step_up_required_at)
  on user_sessions to vigie_geo;
