-- Until a table is first analyzed every index looks alike to the planner, and the check of a foreign key may walk all
-- sessions of a tenant: a new installation would write a tenth as fast for its first minute. So the table begins with
-- the statistics of a full one; the first real ones replace them.
insert into tenants (id, slug, name)
  values ('00000000-0000-0000-0000-000000000000', 'first-statistics', '');
insert into users (tenant_id, id, external_id)
  values ('00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000', '');
insert into user_sessions
  (id, user_id, tenant_id, tenant_key, user_key, session_key, status, created_at, last_activity, expires_at)
  values ('00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000',
          '00000000-0000-0000-0000-000000000000', '', '', '', 'NONE', now(), now(), now());
alter table user_sessions
  alter column id set (n_distinct = -1),
  alter column user_id set (n_distinct = -0.5),
  alter column tenant_id set (n_distinct = 10);
analyze user_sessions;
alter table user_sessions
  alter column id reset (n_distinct),
  alter column user_id reset (n_distinct),
  alter column tenant_id reset (n_distinct);
delete from tenants where slug = 'first-statistics';
