-- Since when the log has been read without a longer pause, and when it was read last; ms since the epoch by the sink's
-- clock. What is missed may lie in what was not read yet, so no record is given up soon after a pause.
alter table audit_head
  add column read_since_ms bigint not null default 0,
  add column read_at_ms bigint not null default 0;
grant update (read_since_ms, read_at_ms) on audit_head to vigie_audit_sink;
