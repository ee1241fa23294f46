-- Until a table is first analyzed every index looks alike to the planner, and the check of a foreign key may walk all
-- users of a tenant. So the tables begin with the statistics of full ones; the first real ones replace them.
insert into tenants (id, slug, name)
  values ('00000000-0000-0000-0000-000000000000', 'first-statistics', '');
insert into users (tenant_id, id, external_id)
  values ('00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000', '');
insert into user_devices (tenant_id, user_id, id, external_id)
  values ('00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000',
          '00000000-0000-0000-0000-000000000000', '');
alter table users
  alter column id set (n_distinct = -1),
  alter column tenant_id set (n_distinct = 10);
alter table user_devices
  alter column id set (n_distinct = -1),
  alter column user_id set (n_distinct = -0.5),
  alter column tenant_id set (n_distinct = 10);
analyze users, user_devices;
alter table users
  alter column id reset (n_distinct),
  alter column tenant_id reset (n_distinct);
alter table user_devices
  alter column id reset (n_distinct),
  alter column user_id reset (n_distinct),
  alter column tenant_id reset (n_distinct);
delete from tenants where slug = 'first-statistics';
