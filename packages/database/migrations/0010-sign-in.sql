-- Signing in by accounts of other services.

-- People who came by a provider need none.
alter table users alter column password_hash drop not null;

create table user_identities (
  provider text not null,
  -- The same subject of another issuer is somebody else.
  issuer text not null,
  subject text not null check (subject <> ''),
  user_id uuid not null references users (id) on delete cascade,
  -- As the provider told it when the two were connected; empty when it vouched for none.
  email text not null,
  created_at timestamptz not null default now(),
  primary key (provider, issuer, subject),
  unique (user_id, provider)
);

-- Browsers that are on their way to a provider and back. Consumed by deleting the row.
create table sign_in_attempts (
  -- Of the secret in the browser's cookie.
  hash text primary key check (hash ~ '^[0-9a-f]{64}$'),
  provider text not null,
  intent text not null check (intent in ('login', 'signup', 'connect')),
  -- Who connects a provider: their log-in, so that nobody goes on with it after they logged out.
  session_id uuid references sessions (id) on delete cascade,
  expires_at timestamptz not null,
  check ((session_id is not null) = (intent = 'connect'))
);
create index sign_in_attempts_by_expiry on sign_in_attempts (expires_at);
create index sign_in_attempts_by_session on sign_in_attempts (session_id);
