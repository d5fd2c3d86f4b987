-- Where teams want to be told of what happens, and what is still to be told.

alter table teams add column max_channels integer not null default 20;

create table channels (
  id uuid primary key,
  team_id uuid not null references teams (id),
  name text not null,
  provider text not null,
  events text[] not null check (cardinality(events) > 0),
  -- AES-256-GCM of the configuration as JSON: nonce, ciphertext, tag.
  config bytea not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (team_id, name)
);

-- Kept for a week after its end, so that somebody can see what became of it.
create table deliveries (
  id uuid primary key default gen_random_uuid(),
  channel_id uuid not null references channels (id) on delete cascade,
  event_id bigint not null references events (id) on delete cascade,
  state text not null default 'waiting' check (state in ('waiting', 'delivered', 'failed')),
  attempts integer not null default 0,
  -- Also the end of the claim of whoever is trying.
  due_at timestamptz not null default now(),
  problem text,
  created_at timestamptz not null default now()
);
create index deliveries_due on deliveries (due_at) where state = 'waiting';
create index deliveries_by_channel on deliveries (channel_id);
create index deliveries_by_event on deliveries (event_id);

-- In the transaction of the event: what is told is told for each channel that wants it, neither more nor less.
create function queue_deliveries() returns trigger language plpgsql as $$
begin
  insert into deliveries (channel_id, event_id)
    select id, new.id from channels where team_id = new.team_id and new.type = any (events);
  if found then
    perform pg_notify('wrenn_deliveries', '');
  end if;
  return null;
end $$;
create trigger event_deliveries after insert on events for each row execute function queue_deliveries();
