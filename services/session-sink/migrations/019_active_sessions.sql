-- Those of a person's sessions that may be alive, however many they had.
create index idx_user_sessions_user_active on user_sessions (tenant_id, user_id, created_at)
  where status = 'ACTIVE';
