-- What callers give a capsule at its creation and may change later.

alter table sandboxes
  add column name text check (name ~ '^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$'),
  -- Of the caller; `metadata` holds the versions of what runs the capsule.
  add column user_metadata jsonb not null default '{}' check (jsonb_typeof(user_metadata) = 'object'),
  -- The values are kept by the host alone.
  add column env_names text[] not null default '{}',
  add column default_user text,
  add column default_cwd text,
  add column on_lifetime_end text not null default 'pause' check (on_lifetime_end in ('pause', 'pause_disk', 'destroy')),
  -- End of the present run, where it was moved; null: max_lifetime_sec after running_since.
  add column extended_until timestamptz;

create unique index sandboxes_by_name on sandboxes (team_id, name)
  where name is not null and status not in ('stopped', 'error');
create index sandboxes_by_earlier_name on sandboxes (team_id, name) where name is not null;
create index sandboxes_by_metadata on sandboxes using gin (user_metadata jsonb_path_ops)
  where status not in ('stopped', 'error');
create index sandboxes_by_place on sandboxes (team_id, created_at desc, id desc) where status not in ('stopped', 'error');
drop index sandboxes_by_team;

-- What capsules of a template that was made of a capsule start with, unless their create says otherwise.
alter table templates
  add column disk_mb integer not null default 5120,
  add column env_names text[] not null default '{}',
  add column default_user text,
  add column default_cwd text;
