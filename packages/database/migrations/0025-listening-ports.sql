-- What listens in capsules, as it was reported last, and the events about it.

create table listening_ports (
  sandbox_id uuid primary key references sandboxes (id) on delete cascade,
  -- Milliseconds since the Unix epoch, by the clock of the host: an older report changes nothing.
  seen_at bigint not null,
  ports jsonb not null,
  unlisted integer not null
);

-- A fork changes nothing of its source, so that no state of the source says that it happened.
create function emit_fork_event() returns trigger language plpgsql as $$
begin
  perform emit_event((select team_id from sandboxes where id = new.sandbox_id), 'capsule.forked', new.actor, 'sandbox',
    new.sandbox_id::text);
  return null;
end $$;
create constraint trigger fork_events after update of state on operations deferrable initially deferred
  for each row when (new.kind = 'fork' and new.state = 'succeeded' and old.state = 'running')
  execute function emit_fork_event();
