-- What teams may store on hosts, and what they store there.

alter table teams
  add column max_storage_mb integer not null default 102400,
  add column max_checkpoints integer not null default 500,
  add column max_capsule_checkpoints integer not null default 50,
  -- How long saved states are kept; 0: as the installation says.
  add column keep_checkpoints integer not null default 0,
  add column keep_checkpoint_days integer not null default 0,
  add column keep_paused_days integer not null default 0;

-- As the host reported last. A disk layer that several capsules of a team share is counted for one of them.
alter table sandboxes
  add column storage_bytes bigint not null default 0,
  add column checkpoints integer not null default 0;
create index sandboxes_by_storage on sandboxes (team_id) where storage_bytes > 0;

-- The most that an operation under way may add. What it added is recorded before it ends.
alter table operations
  add column claimed_bytes bigint not null default 0,
  add column claimed_checkpoints integer not null default 0;
create index operations_with_claims on operations (sandbox_id) where state = 'running' and claimed_bytes > 0;

-- Files of a replaced template are stored until no capsule uses them.
alter table discarded_templates
  add column team_id uuid references teams (id),
  add column size_bytes bigint not null default 0;

-- A running capsule stands still because its host has no room for what it writes, and runs again.
create function emit_stall_event() returns trigger language plpgsql as $$
begin
  perform emit_event(new.team_id, case when new.problem is null then 'capsule.continued' else 'capsule.stalled' end,
    null, 'sandbox', new.id::text);
  return null;
end $$;
create constraint trigger capsule_stall_events after update of problem on sandboxes deferrable initially deferred
  for each row when (old.status = 'running' and new.status = 'running' and (old.problem is null) <> (new.problem is null))
  execute function emit_stall_event();

alter table sandboxes add column paused_since timestamptz;
update sandboxes set paused_since = last_updated where status = 'paused';
create index sandboxes_by_pause on sandboxes (paused_since) where status = 'paused';

create function note_pause() returns trigger language plpgsql as $$
begin
  new.paused_since := case when new.status = 'paused' then new.last_updated end;
  return new;
end $$;
create trigger pauses before update of status on sandboxes
  for each row when (old.status is distinct from new.status) execute function note_pause();

-- What a rule is going to remove, and when its team was warned. The empty checkpoint is the paused capsule itself.
create table expiry_warnings (
  sandbox_id uuid not null references sandboxes (id) on delete cascade,
  checkpoint text not null,
  warned_at timestamptz not null,
  primary key (sandbox_id, checkpoint)
);
