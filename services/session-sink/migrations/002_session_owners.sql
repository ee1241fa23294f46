-- A session's row is its tenant's and its user's. The same id in two tenants is two rows; within a tenant one user has
-- it, the first one of whom a state came; a row of another user is REFUSED, is no session, and keeps that user's events.
alter table session_activities drop constraint session_activities_session_id_fkey;
alter table user_sessions drop constraint user_sessions_pkey;
drop index idx_user_sessions_tenant_user;
alter table user_sessions add primary key (tenant_id, user_id, id);

-- Activities that hung on another user's row get one of their own.
insert into user_sessions
  (id, tenant_id, user_id, tenant_key, user_key, session_key, status, is_active, created_at,
   last_activity, expires_at)
select activity.session_id, activity.tenant_id, activity.user_id, tenant.slug, person.external_id,
       held.session_key, 'PENDING', false, min(activity.timestamp), min(activity.timestamp),
       min(activity.timestamp)
  from session_activities activity
  join tenants tenant on tenant.id = activity.tenant_id
  join users person on person.tenant_id = activity.tenant_id and person.id = activity.user_id
  join user_sessions held on held.id = activity.session_id
 where held.tenant_id <> activity.tenant_id or held.user_id <> activity.user_id
 group by 1, 2, 3, 4, 5, 6
on conflict do nothing;

alter table session_activities
  add foreign key (tenant_id, user_id, session_id)
  references user_sessions (tenant_id, user_id, id) on delete cascade;

create unique index idx_user_sessions_session on user_sessions (tenant_id, id)
  where status not in ('PENDING', 'NONE', 'REFUSED');

-- CNF-22
create or replace view sessions as
  select * from user_sessions where status not in ('PENDING', 'NONE', 'REFUSED');
do $$
begin
  -- A replaced view has lost its options: without this one it would show every tenant's rows.
  if current_setting('server_version_num')::int >= 150000 then
    alter view sessions set (security_invoker = true);
  end if;
end
$$;
