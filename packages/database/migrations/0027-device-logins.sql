-- Logins of command lines, which a person approves in a browser (RFC 8628).
create table device_logins (
  -- Of the device code.
  hash text primary key check (hash ~ '^[0-9a-f]{64}$'),
  user_code text not null unique,
  -- What the client says of itself, and where it is, for the person who decides.
  client_name text not null,
  address text not null,
  user_agent text not null,
  -- The API key that the client asks for: name, scopes and lifetime. Null: a login.
  api_key jsonb,
  status text not null default 'pending' check (status in ('pending', 'approved', 'denied')),
  -- Who decided: their login and the team that it acted in. An approval ends with the login.
  session_id uuid references sessions (id) on delete cascade,
  team_id uuid references teams (id) on delete cascade,
  -- How often the client may ask, and when it asked last.
  interval_sec integer not null,
  asked_at timestamptz,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  check ((session_id is null) = (status = 'pending')),
  check ((team_id is null) = (session_id is null))
);
create index device_logins_by_expiry on device_logins (expires_at);
create index device_logins_by_session on device_logins (session_id);
create index device_logins_by_team on device_logins (team_id);
