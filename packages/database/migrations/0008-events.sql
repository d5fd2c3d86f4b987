-- What happens, for whoever wants to hear of it: written by the change itself, at its commit.

create table events (
  -- Given under a lock that is held to the end of the commit: events become visible in the order of their ids, so that the last
  -- id that was seen is a place to go on from.
  id bigint generated always as identity primary key,
  team_id uuid not null references teams (id),
  type text not null,
  actor jsonb not null,
  resource_type text not null,
  -- UUID of a capsule or host, name of a template.
  resource_id text not null,
  created_at timestamptz not null default clock_timestamp()
);
create index events_by_team on events (team_id, id);
create index events_by_age on events (created_at);

-- Events up to here are kept no more.
create table event_horizon (id bigint not null);
insert into event_horizon values (0);

-- Who asked for it.
alter table operations add column actor jsonb;

create function emit_event(team uuid, kind text, who jsonb, what text, which text) returns void language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtext('wrenn_events'));
  insert into events (team_id, type, actor, resource_type, resource_id)
    values (team, kind, coalesce(who, '{"type": "system"}'), what, which);
  perform pg_notify('wrenn_events', team::text);
end $$;

-- Who runs an operation on the capsule asked for its change; without one it changed by itself.
create function capsule_actor(capsule uuid) returns jsonb language sql stable as $$
  select actor from operations where sandbox_id = capsule and state = 'running' order by created_at desc limit 1;
$$;

create function emit_capsule_event() returns trigger language plpgsql as $$
declare
  kind text := case
    when new.status = 'running' and old.status in ('pending', 'starting') then 'capsule.created'
    when new.status = 'running' then 'capsule.running'
    when new.status = 'paused' then 'capsule.paused'
    when new.status = 'stopped' then 'capsule.destroyed'
    when new.status = 'error' then 'capsule.failed'
    when new.status = 'missing' then 'capsule.missing'
  end;
begin
  if kind is not null then
    perform emit_event(new.team_id, kind, capsule_actor(new.id), 'sandbox', new.id::text);
  end if;
  return null;
end $$;
create constraint trigger capsule_events after update of status on sandboxes deferrable initially deferred
  for each row when (old.status is distinct from new.status) execute function emit_capsule_event();

create function emit_template_event() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    perform emit_event(old.team_id, 'template.snapshot.deleted', null, 'snapshot', old.name);
  else
    perform emit_event(new.team_id, 'template.snapshot.created', null, 'snapshot', new.name);
  end if;
  return null;
end $$;
create constraint trigger template_events after insert or update of host_key or delete on templates
  deferrable initially deferred for each row execute function emit_template_event();
