-- The person who made the template, also by a key that they made; null for those of earlier releases, and of keys that no one made.
alter table template_names add column created_by uuid references users (id) on delete set null;
-- Capsules that were started from any of its versions, and when the last one was.
alter table template_names add column spawn_count bigint not null default 0;
alter table template_names add column last_spawned_at timestamptz;
