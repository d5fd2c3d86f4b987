-- The API of E2B.

-- How ports of the capsule are reached, where they are public unless something else is said; null: they are private.
alter table sandboxes add column ingress jsonb;
-- False: capsules of the team have no public ports.
alter table teams add column allows_public_ports boolean not null default true;

-- The capsule that a template was made of; null for templates that builds made, and for those of earlier releases.
alter table templates add column made_of uuid;
-- Builds that clients have announced, until they send what is to be built: then a build has the same id.
create table announced_builds (
  id uuid primary key,
  team_id uuid not null references teams on delete cascade,
  name text not null,
  tags text[] not null,
  vcpus integer not null,
  memory_mb integer not null,
  created_at timestamptz not null default now()
);
create index announced_builds_team on announced_builds (team_id, created_at);
-- Files that clients have uploaded for steps of builds, by the hash that they name them with.
create table build_files (
  team_id uuid not null references teams on delete cascade,
  hash text not null,
  archive_id uuid not null references build_archives on delete cascade,
  primary key (team_id, hash)
);
