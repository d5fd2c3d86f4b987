-- How the guests of running capsules are, as their hosts say.

alter table sandboxes
  -- Null while it answers, and while it does not run.
  add column health text check (health in ('not_answering')),
  -- What the disk of the guest has none of: space, files, or both. Null for neither.
  add column full_disk text check (full_disk in ('space', 'files', 'space,files')),
  -- The last time that its memory was full: at, kills, process, pid, memory_bytes.
  add column out_of_memory jsonb;
create index sandboxes_not_answering on sandboxes (team_id) where health is not null;

-- Only a guest that runs can be expected to answer: what was known ends with the run.
create function forget_health() returns trigger language plpgsql as $$
begin
  new.health := null;
  return new;
end $$;
create trigger health_ends before update of status on sandboxes
  for each row when (old.status is distinct from new.status) execute function forget_health();

create function emit_condition_events() returns trigger language plpgsql as $$
declare
  before text[] := string_to_array(coalesce(old.full_disk, ''), ',');
  now text[] := string_to_array(coalesce(new.full_disk, ''), ',');
  resource text;
begin
  if new.health is distinct from old.health then
    perform emit_event(new.team_id, case when new.health is null then 'capsule.answering' else 'capsule.not_answering' end,
      null, 'sandbox', new.id::text);
  end if;
  foreach resource in array array['space', 'files'] loop
    if resource = any (now) and not resource = any (before) then
      perform emit_event(new.team_id, 'capsule.disk_full', null, 'sandbox', new.id::text, jsonb_build_object('resource', resource));
    elsif resource = any (before) and not resource = any (now) then
      perform emit_event(new.team_id, 'capsule.disk_freed', null, 'sandbox', new.id::text, jsonb_build_object('resource', resource));
    end if;
  end loop;
  if (new.out_of_memory ->> 'at')::bigint > coalesce((old.out_of_memory ->> 'at')::bigint, 0) then
    perform emit_event(new.team_id, 'capsule.out_of_memory', null, 'sandbox', new.id::text,
      new.out_of_memory - 'at' - 'kills' || jsonb_build_object('killed',
        greatest(1, (new.out_of_memory ->> 'kills')::bigint - coalesce((old.out_of_memory ->> 'kills')::bigint, 0)),
        'at', to_char(to_timestamp((new.out_of_memory ->> 'at')::bigint / 1000.0) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')));
  end if;
  return null;
end $$;
create constraint trigger capsule_condition_events after update of health, full_disk, out_of_memory on sandboxes
  deferrable initially deferred
  for each row when (old.status = 'running' and new.status = 'running' and (old.health is distinct from new.health
    or old.full_disk is distinct from new.full_disk or old.out_of_memory is distinct from new.out_of_memory))
  execute function emit_condition_events();
