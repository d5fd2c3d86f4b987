-- Teams, keys, capsules, and the operations on them. Ids are UUIDs; the public prefixed form exists outside the database only.

create table teams (
  id uuid primary key,
  name text not null,
  slug text not null unique,
  created_at timestamptz not null default now(),
  deleted_at timestamptz
);

create table api_keys (
  id uuid primary key,
  team_id uuid not null references teams (id),
  name text not null,
  key_hash text not null unique check (key_hash ~ '^[0-9a-f]{64}$'),
  key_prefix text not null,
  created_at timestamptz not null default now(),
  last_used timestamptz
);
create index api_keys_by_team on api_keys (team_id);

-- The public API calls these capsules; the contract's vocabulary for the status is closed.
create table sandboxes (
  id uuid primary key,
  team_id uuid not null references teams (id),
  template text not null,
  status text not null check (status in ('pending', 'starting', 'running', 'paused', 'hibernated', 'missing', 'stopped', 'error')),
  vcpus integer not null,
  memory_mb integer not null,
  disk_mb integer not null,
  timeout_sec integer not null,
  host_ip text,
  problem text,
  metadata jsonb not null default '{}',
  -- Grows with every change: an update names the version it has seen.
  version integer not null default 1,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  last_active_at timestamptz,
  last_updated timestamptz not null default now()
);
create index sandboxes_by_team on sandboxes (team_id, created_at desc) where status not in ('stopped', 'error');
create index sandboxes_live on sandboxes (status) where status not in ('stopped', 'error');

-- Written before a host is asked to do something, finished when its answer is known.
create table operations (
  id uuid primary key,
  sandbox_id uuid not null references sandboxes (id),
  kind text not null check (kind in ('create', 'destroy')),
  state text not null default 'running' check (state in ('running', 'succeeded', 'failed')),
  problem text,
  created_at timestamptz not null default now(),
  finished_at timestamptz
);
create index operations_running on operations (created_at) where state = 'running';
