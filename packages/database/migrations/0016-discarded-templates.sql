-- Files of templates that no name stands for: of one that was replaced, and of one that is still being made or whose making was
-- broken off. Their hosts remove them, when nothing uses them any more.
create table discarded_templates (
  host_key text primary key,
  host_id uuid not null references hosts (id),
  -- Not before this: whoever makes a template is given the time for it.
  due_at timestamptz not null
);
create index discarded_templates_by_host on discarded_templates (host_id, due_at);

-- What went with hosts that were given up could be neither used nor deleted.
delete from templates t using hosts h where h.id = t.host_id and h.deleted_at is not null;
