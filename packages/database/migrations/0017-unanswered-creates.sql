-- Capsules whose creating request has not been answered. A capsule is destroyed at `due_at` unless it was used or asked for again.
create table unanswered_creates (
  sandbox_id uuid primary key references sandboxes (id) on delete cascade,
  -- Control plane that has the client's connection.
  owner uuid not null,
  -- Its answer is being sent: when the control plane ends now, the client may have it.
  answering boolean not null default false,
  -- Null while the client waits.
  due_at timestamptz,
  created_at timestamptz not null
);
create index unanswered_creates_due on unanswered_creates (due_at) where due_at is not null;
