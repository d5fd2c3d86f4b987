-- Hosts that capsules run on, which control planes are alive, and what belongs to which host.

alter table teams add column if not exists is_byoc boolean not null default false;

create table hosts (
  id uuid primary key,
  type text not null check (type in ('regular', 'byoc')),
  team_id uuid references teams (id),
  provider text,
  availability_zone text,
  status text not null check (status in ('pending', 'online', 'unreachable', 'draining', 'offline')),
  -- Where its agent listens; null for one in the process of a control plane.
  address text,
  arch text,
  cpu_cores integer,
  memory_mb integer,
  disk_gb integer,
  -- Its certificate must carry this name, so that another host cannot stand in for it.
  cert_fingerprint text,
  cert_expires_at timestamptz,
  last_heartbeat_at timestamptz,
  created_by uuid references users (id),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- Rows of capsules name their host for ever.
  deleted_at timestamptz,
  check ((type = 'byoc') = (team_id is not null))
);
create index hosts_present on hosts (status) where deleted_at is null;

create table host_tags (
  host_id uuid not null references hosts (id),
  tag text not null check (length(tag) between 1 and 64),
  primary key (host_id, tag)
);

-- A registration token is consumed by deleting its row; a refresh token by the one that takes its place.
create table host_tokens (
  hash text primary key check (hash ~ '^[0-9a-f]{64}$'),
  host_id uuid not null references hosts (id),
  purpose text not null check (purpose in ('registration', 'refresh')),
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index host_tokens_by_host on host_tokens (host_id, purpose);

alter table sandboxes add column host_id uuid references hosts (id);
create index sandboxes_by_host on sandboxes (host_id) where status not in ('stopped', 'error');

-- Files of a template lie on one host.
alter table templates add column host_id uuid references hosts (id);

-- A control plane that has not been seen for a while runs no operations any more.
create table control_planes (
  id uuid primary key,
  last_seen timestamptz not null
);

alter table operations add column owner uuid;
create index operations_by_owner on operations (owner) where state = 'running';

-- Hosts of the platform are told of to the platform's own team.
create function emit_host_event() returns trigger language plpgsql as $$
begin
  perform emit_event(
    coalesce(new.team_id, '00000000-0000-0000-0000-000000000000'),
    case when new.status = 'unreachable' then 'host.down' else 'host.up' end,
    null, 'host', new.id::text);
  return null;
end $$;
create constraint trigger host_events after update of status on hosts deferrable initially deferred
  for each row when (
    new.address is not null and new.deleted_at is null
    and (old.status = 'unreachable') <> (new.status = 'unreachable')
  ) execute function emit_host_event();
