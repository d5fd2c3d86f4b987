-- Pausing, forking and templates that were made of capsules.

alter table operations drop constraint operations_kind_check;
alter table operations add constraint operations_kind_check
  check (kind in ('create', 'destroy', 'pause', 'resume', 'checkpoint', 'restore', 'fork', 'snapshot'));

-- A paused capsule with this flag is resumed by whoever uses it.
alter table sandboxes add column auto_resume boolean not null default false;

-- Templates of teams. The built-in ones belong to hosts and are not rows.
create table templates (
  id uuid primary key,
  team_id uuid not null references teams (id),
  name text not null,
  -- What the host calls it; another one after the template was replaced.
  host_key text not null unique,
  vcpus integer not null,
  memory_mb integer not null,
  size_bytes bigint not null,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  unique (team_id, name)
);
