-- Copies of templates on hosts that did not make them. Each was complete when its row was written.
create table template_copies (
  host_key text not null,
  host_id uuid not null references hosts (id),
  created_at timestamptz not null default now(),
  -- When a capsule was last started from it, within an hour.
  used_at timestamptz not null default now(),
  primary key (host_key, host_id)
);
create index template_copies_by_host on template_copies (host_id, used_at);

-- Files of one template may be removed from several hosts.
alter table discarded_templates drop constraint discarded_templates_pkey;
alter table discarded_templates add primary key (host_key, host_id);

-- How far what a capsule waits for is, while it is being created.
alter table sandboxes add column progress jsonb;
