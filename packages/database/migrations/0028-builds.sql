-- Versions and tags of templates, and builds of templates.

-- What all versions of a template share. A row of `templates` is a version.
create table template_names (
  team_id uuid not null references teams (id),
  name text not null,
  -- Whether other teams may start capsules from it.
  is_public boolean not null default false,
  -- Numbers are never given twice while the template exists.
  last_version integer not null default 0,
  created_at timestamptz not null default now(),
  primary key (team_id, name)
);
create index template_names_public on template_names (created_at, team_id, name) where is_public;
insert into template_names (team_id, name, last_version, created_at) select team_id, name, 1, created_at from templates;

alter table templates drop constraint templates_team_id_name_key;
alter table templates
  add column version integer not null default 1,
  add unique (team_id, name, version),
  add foreign key (team_id, name) references template_names (team_id, name);
alter table templates alter column version drop default;

create table template_tags (
  team_id uuid not null,
  name text not null,
  tag text not null,
  template_id uuid not null references templates (id) on delete cascade,
  -- When it was given to this version.
  tagged_at timestamptz not null default now(),
  primary key (team_id, name, tag),
  foreign key (team_id, name) references template_names (team_id, name)
);
create index template_tags_by_version on template_tags (template_id);
insert into template_tags (team_id, name, tag, template_id, tagged_at) select team_id, name, 'default', id, created_at from templates;

-- A template ends with its last version. The row is locked first, so that the search sees a version that is being added.
create function end_template() returns trigger language plpgsql as $$
begin
  perform 1 from template_names where team_id = old.team_id and name = old.name for update;
  delete from template_names n where team_id = old.team_id and name = old.name
    and not exists (select from templates t where t.team_id = n.team_id and t.name = n.name);
  return null;
end $$;
-- Its name is after those of foreign keys: tags of the version are gone when it runs.
create trigger zz_last_version after delete on templates for each row execute function end_template();

-- A version that another one replaces ends, and the template continues.
create or replace function emit_template_event() returns trigger language plpgsql as $$
begin
  if tg_op <> 'DELETE' then
    perform emit_event(new.team_id, 'template.snapshot.created', null, 'snapshot', new.name);
  elsif not exists (select from templates where team_id = old.team_id and name = old.name) then
    perform emit_event(old.team_id, 'template.snapshot.deleted', null, 'snapshot', old.name);
  end if;
  return null;
end $$;

alter table teams add column max_builds integer not null default 5;

create table builds (
  id uuid primary key,
  team_id uuid not null references teams (id),
  -- Of the template.
  name text not null,
  tag text not null,
  base_template text not null,
  recipe jsonb not null,
  healthcheck text not null default '',
  vcpus integer not null,
  memory_mb integer not null,
  skip_pre_post boolean not null default false,
  status text not null default 'pending'
    check (status in ('pending', 'running', 'success', 'failed', 'cancelled', 'interrupted')),
  current_step integer not null default 0,
  total_steps integer not null,
  -- Entry of the error catalogue, and its message.
  reason text,
  error text,
  -- Control plane that runs it.
  owner uuid,
  actor jsonb,
  template_id uuid references templates (id) on delete set null,
  sandbox_id uuid,
  host_id uuid references hosts (id),
  default_user text not null default 'root',
  default_env jsonb not null default '{}',
  -- Lines of output that were not kept.
  dropped_lines integer not null default 0,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  completed_at timestamptz,
  check ((completed_at is null) = (status in ('pending', 'running'))),
  check (status <> 'running' or owner is not null)
);
create index builds_by_team on builds (team_id, created_at desc, id desc);
create index builds_open on builds (status, created_at) where status in ('pending', 'running');

create table build_steps (
  build_id uuid not null references builds (id) on delete cascade,
  step integer not null,
  phase text not null,
  cmd text not null,
  stdout text not null,
  stderr text not null,
  exit integer,
  ok boolean not null,
  elapsed_ms integer not null,
  primary key (build_id, step)
);

create table build_lines (
  build_id uuid not null references builds (id) on delete cascade,
  seq integer not null,
  step integer not null,
  stream text not null check (stream in ('system', 'stdout', 'stderr')),
  text text not null,
  at timestamptz not null,
  primary key (build_id, seq)
);

-- Files that recipes copy from. They are stored until their builds end.
create table build_archives (
  id uuid primary key,
  team_id uuid not null references teams (id),
  -- Null while it is uploaded.
  build_id uuid unique references builds (id) on delete cascade,
  -- Counts for the storage of the team: the most that it may become, and then its size.
  size_bytes bigint not null,
  created_at timestamptz not null default now()
);
create index build_archives_by_team on build_archives (team_id);

create table build_archive_chunks (
  archive_id uuid not null references build_archives (id) on delete cascade,
  seq integer not null,
  bytes bytea not null,
  primary key (archive_id, seq)
);
alter table build_archive_chunks alter column bytes set storage external;

create function emit_build_event() returns trigger language plpgsql as $$
begin
  perform emit_event(new.team_id, 'build.' || new.status, new.actor, 'build', new.id::text,
    jsonb_build_object('name', new.name, 'tag', new.tag, 'problem', left(new.error, 500)));
  return null;
end $$;
create constraint trigger build_events after insert on builds deferrable initially deferred
  for each row execute function emit_build_event();
create constraint trigger build_status_events after update of status on builds deferrable initially deferred
  for each row when (old.status <> new.status) execute function emit_build_event();
