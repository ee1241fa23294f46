-- AUD-08: the leaves of one tenant in the order of the log.
create index idx_audit_log_by_index on audit_log (tenant_id, index);
