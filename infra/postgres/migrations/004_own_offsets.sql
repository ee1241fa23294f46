-- Whoever moved another's offsets would have it skip records, or do them twice: each service writes its own group's only.
alter table sink_offsets enable row level security;
create policy any_seen on sink_offsets for select using (true);

do $$
declare
  service text;
  role_name text;
begin
  foreach service in array array['session-sink', 'audit-sink', 'geo']
  loop
    role_name := 'vigie_' || replace(service, '-', '_');
    begin
      execute format('create role %I nologin', role_name);
    exception when duplicate_object or unique_violation then null;
    end;
    execute format('create policy %I on sink_offsets to %I
      using (group_id = %3$L) with check (group_id = %3$L)',
      'own_of_' || role_name, role_name, 'vigie.' || service);
  end loop;
end
$$;
