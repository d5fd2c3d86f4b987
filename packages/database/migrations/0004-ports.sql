-- Who may use a capsule's ports, and secrets that every control plane on this database shares.

-- A port without a row is private.
create table port_access (
  sandbox_id uuid not null references sandboxes (id),
  port integer not null check (port between 1 and 65535),
  access text not null check (access in ('public', 'private')),
  primary key (sandbox_id, port)
);

create table secrets (
  name text primary key,
  value bytea not null,
  created_at timestamptz not null default now()
);
