-- What happens, for whoever wants to hear of it: written by the change itself, in its transaction.

create table events (
  id bigint generated always as identity primary key,
  -- Readers go on after the last transaction that they have seen whole: ids alone are given before the commit.
  tx xid8 not null default pg_current_xact_id(),
  team_id uuid not null references teams (id),
  type text not null,
  actor jsonb not null,
  resource_type text not null,
  -- UUID of a capsule or host, name of a template.
  resource_id text not null,
  created_at timestamptz not null default clock_timestamp()
);
create index events_by_team on events (team_id, tx, id);
create index events_by_age on events (created_at);

-- Who asked for it.
alter table operations add column actor jsonb;

create function emit_event(team uuid, kind text, who jsonb, what text, which text) returns void language sql as $$
  insert into events (team_id, type, actor, resource_type, resource_id)
    values (team, kind, coalesce(who, '{"type": "system"}'), what, which);
  select pg_notify('wrenn_events', team::text);
$$;

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
create trigger capsule_events after update of status on sandboxes
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
create trigger template_events after insert or update of host_key or delete on templates
  for each row execute function emit_template_event();
