-- People, what they belong to, and what they did.

create table users (
  id uuid primary key,
  -- Trimmed and lower-cased by the service. Belongs to the first who proves it: sign-ups that wait for that may share it.
  email text not null check (email = lower(email)),
  name text not null,
  -- A PHC string of argon2id.
  password_hash text not null,
  status text not null check (status in ('inactive', 'active', 'disabled', 'deleted')),
  is_admin boolean not null default false,
  created_at timestamptz not null default now(),
  deleted_at timestamptz
);
create unique index users_by_email on users (email) where status in ('active', 'disabled');
create index users_waiting on users (email, created_at) where status = 'inactive';

create table memberships (
  user_id uuid not null references users (id),
  team_id uuid not null references teams (id),
  role text not null check (role in ('owner', 'admin', 'member')),
  is_default boolean not null default false,
  joined_at timestamptz not null default now(),
  primary key (user_id, team_id)
);
create index memberships_by_team on memberships (team_id, joined_at);
create unique index one_owner_per_team on memberships (team_id) where role = 'owner';

-- A login. Access tokens name it; revoking it ends them all.
create table sessions (
  id uuid primary key,
  user_id uuid not null references users (id),
  team_id uuid not null references teams (id),
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz
);
create index sessions_by_user on sessions (user_id) where revoked_at is null;

-- Every refresh token that a session had. One that comes back after its use was stolen from somebody.
create table refresh_tokens (
  hash text primary key check (hash ~ '^[0-9a-f]{64}$'),
  session_id uuid not null references sessions (id) on delete cascade,
  created_at timestamptz not null default now(),
  used_at timestamptz
);
create index refresh_tokens_by_session on refresh_tokens (session_id);

-- One-time tokens that leave by mail or log. Consumed by deleting the row.
create table one_time_tokens (
  hash text primary key check (hash ~ '^[0-9a-f]{64}$'),
  purpose text not null check (purpose in ('activation', 'password_reset', 'bootstrap')),
  user_id uuid references users (id) on delete cascade,
  expires_at timestamptz not null,
  check ((user_id is null) = (purpose = 'bootstrap'))
);
create index one_time_tokens_by_user on one_time_tokens (user_id, purpose);

create table signing_keys (
  kid text primary key,
  secret bytea not null check (length(secret) >= 32),
  created_at timestamptz not null default now()
);

create table invitations (
  id uuid primary key,
  team_id uuid not null references teams (id),
  email text not null check (email = lower(email)),
  role text not null check (role in ('admin', 'member')),
  invited_by uuid not null references users (id),
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  unique (team_id, email)
);
create index invitations_by_email on invitations (email);

alter table api_keys add column created_by uuid references users (id);
alter table api_keys add column scopes text[] not null default '{read,run,manage}'
  check (scopes <@ '{read,run,manage}' and cardinality(scopes) > 0);
alter table api_keys add column expires_at timestamptz;

create table audit_log (
  -- Its order is the order of the log; the cursor is made of it.
  seq bigint generated always as identity primary key,
  id uuid not null unique,
  team_id uuid not null references teams (id),
  actor_type text not null check (actor_type in ('user', 'api_key', 'system')),
  actor_id text,
  actor_name text,
  resource_type text not null,
  resource_id text,
  action text not null,
  scope text not null check (scope in ('team', 'admin')),
  status text not null check (status in ('success', 'info', 'warning', 'error')),
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now()
);
create index audit_log_by_team on audit_log (team_id, seq desc);
