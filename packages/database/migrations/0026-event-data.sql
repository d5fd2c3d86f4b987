-- Events carry data, capsules can be filtered by, and members, keys, hosts and checkpoints are reported.

alter table events
  add column data jsonb not null default '{}',
  -- The capsule that it concerns; of a checkpoint or port, the capsule that has it.
  add column capsule_id uuid;
update events set capsule_id = split_part(resource_id, '/', 1)::uuid where resource_type in ('sandbox', 'checkpoint', 'port');
create index events_by_capsule on events (team_id, capsule_id, id) where capsule_id is not null;

-- What the phases of the operation took that brought the capsule to its state, in milliseconds by name.
alter table sandboxes add column phases jsonb;

-- A team has too many events: those up to here are deleted.
create table team_event_horizons (
  team_id uuid primary key references teams (id),
  id bigint not null,
  -- When the newest deleted one happened.
  at timestamptz not null
);
alter table event_horizon add column at timestamptz;

drop function emit_event(uuid, text, jsonb, text, text);
-- The lock is held until the end of the transaction: call it last.
create function emit_event(team uuid, kind text, who jsonb, what text, which text, details jsonb default '{}')
  returns void language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtext('wrenn_events'));
  insert into events (team_id, type, actor, resource_type, resource_id, data, capsule_id)
    values (team, kind, coalesce(who, '{"type": "system"}'), what, which, jsonb_strip_nulls(details),
      case when what in ('sandbox', 'checkpoint', 'port') then split_part(which, '/', 1)::uuid end);
  perform pg_notify('wrenn_events', team::text);
end $$;

-- The actor of the entry that this transaction wrote to the audit log last. Without one the platform acted.
create function transaction_actor() returns jsonb language sql stable as $$
  select jsonb_strip_nulls(jsonb_build_object('type', actor_type, 'id', actor_id, 'name', actor_name))
    from (select * , xmin as written_by from audit_log order by seq desc limit 100) newest
    where written_by = pg_current_xact_id()::xid
    order by seq desc limit 1;
$$;

create or replace function emit_capsule_event() returns trigger language plpgsql as $$
declare
  kind text := case
    when new.status = 'running' and old.status in ('pending', 'starting') then 'capsule.created'
    when new.status = 'running' then 'capsule.running'
    when new.status = 'paused' then 'capsule.paused'
    when new.status = 'stopped' then 'capsule.destroyed'
    when new.status = 'error' then 'capsule.failed'
    when new.status = 'missing' then 'capsule.missing'
  end;
  operation record;
  reason text;
begin
  if kind is null then
    return null;
  end if;
  select o.kind, o.actor into operation from operations o
    where o.sandbox_id = new.id and (o.state = 'running' or o.xmin = pg_current_xact_id()::xid)
    order by o.created_at desc limit 1;
  reason := case
    when new.status = 'error' then 'failed'
    when new.status = 'missing' then 'host_unreachable'
    when operation.kind = 'destroy' and operation.actor is null then 'expired'
    when operation.kind is not null then 'requested'
    when new.status = 'stopped' then 'lifetime'
    when old.status = 'missing' then 'host_returned'
    when new.status = 'paused' and new.max_lifetime_sec > 0
      and new.last_updated >= coalesce(old.extended_until, old.running_since + new.max_lifetime_sec * interval '1 second')
      then 'lifetime'
    when new.status = 'paused' then 'idle'
    else 'host_reported'
  end;
  perform emit_event(new.team_id, kind, operation.actor, 'sandbox', new.id::text, jsonb_build_object(
    'status', new.status, 'previous', old.status, 'reason', reason, 'operation', operation.kind,
    'problem', left(new.problem, 500), 'phases', new.phases,
    'memory_kept', case when new.status = 'paused' then new.kept is distinct from 'disk' end,
    'disk_at_boot', case when new.status = 'running' then new.disk_at_boot end));
  return null;
end $$;

create or replace function emit_stall_event() returns trigger language plpgsql as $$
begin
  perform emit_event(new.team_id, case when new.problem is null then 'capsule.continued' else 'capsule.stalled' end,
    null, 'sandbox', new.id::text, jsonb_build_object('problem', left(new.problem, 500)));
  return null;
end $$;

create function emit_member_event() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    perform emit_event(new.team_id, 'member.joined', transaction_actor(), 'member', new.user_id::text,
      jsonb_build_object('role', new.role));
  elsif tg_op = 'DELETE' then
    perform emit_event(old.team_id, 'member.removed', transaction_actor(), 'member', old.user_id::text,
      jsonb_build_object('role', old.role));
  else
    perform emit_event(new.team_id, 'member.role_changed', transaction_actor(), 'member', new.user_id::text,
      jsonb_build_object('role', new.role, 'previous', old.role));
  end if;
  return null;
end $$;
create constraint trigger member_events after insert or delete on memberships
  deferrable initially deferred for each row execute function emit_member_event();
create constraint trigger member_role_events after update of role on memberships
  deferrable initially deferred for each row when (old.role <> new.role) execute function emit_member_event();

create function emit_api_key_event() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    perform emit_event(new.team_id, 'api_key.created', transaction_actor(), 'api_key', new.id::text,
      jsonb_build_object('name', new.name, 'scopes', to_jsonb(new.scopes), 'created_by', new.created_by,
        'expires_at', to_char(new.expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')));
  else
    perform emit_event(old.team_id, 'api_key.revoked', transaction_actor(), 'api_key', old.id::text,
      jsonb_build_object('name', old.name, 'created_by', old.created_by));
  end if;
  return null;
end $$;
create constraint trigger api_key_events after insert or delete on api_keys
  deferrable initially deferred for each row execute function emit_api_key_event();

create function emit_host_change_event() returns trigger language plpgsql as $$
declare
  owner uuid := coalesce(new.team_id, '00000000-0000-0000-0000-000000000000');
  kind text := case
    when tg_op = 'INSERT' then 'host.created'
    when new.deleted_at is not null and old.deleted_at is null then 'host.deleted'
    when new.deleted_at is not null then null
    when old.status = 'pending' and new.status = 'online' then 'host.registered'
    when new.status = 'draining' and old.status <> 'draining' then 'host.draining'
    when old.status = 'draining' and new.status = 'online' then 'host.undrained'
  end;
begin
  -- The platform has no team before its first start is over.
  if kind is not null and exists (select from teams where id = owner) then
    perform emit_event(owner, kind, transaction_actor(), 'host', new.id::text, jsonb_build_object('status', new.status));
  end if;
  return null;
end $$;
create constraint trigger host_change_events after insert or update of status, deleted_at on hosts
  deferrable initially deferred for each row execute function emit_host_change_event();
