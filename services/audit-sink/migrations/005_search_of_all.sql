-- Judged once a statement, not once a row: and so the planner sees that every row passes, and reads by index.
alter policy all_tenants on audit_log
  using ((select current_setting('vigie.audit_all', true) = 'on'));
