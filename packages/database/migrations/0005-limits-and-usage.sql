-- What a team may have at once, keys that make a create repeatable, and what teams use.

alter table teams
  add column max_capsules integer not null default 100,
  add column max_vcpus integer not null default 200,
  add column max_memory_mb integer not null default 262144,
  add column max_templates integer not null default 100;

create table idempotency_keys (
  team_id uuid not null references teams (id),
  key text not null,
  -- Of the request, so that a key that is used for another one is noticed.
  fingerprint text not null,
  sandbox_id uuid not null references sandboxes (id),
  created_at timestamptz not null default now(),
  primary key (team_id, key)
);
create index idempotency_keys_by_age on idempotency_keys (created_at);

-- One row for each team and ten seconds; whichever control plane comes first writes it.
create table usage_samples (
  team_id uuid not null references teams (id),
  sampled_at timestamptz not null,
  running_count integer not null,
  vcpus_reserved integer not null,
  memory_mb_reserved integer not null,
  primary key (team_id, sampled_at)
);
create index usage_samples_by_age on usage_samples (sampled_at);

create table daily_usage (
  team_id uuid not null references teams (id),
  day date not null,
  cpu_minutes double precision not null,
  ram_mb_minutes double precision not null,
  primary key (team_id, day)
);
