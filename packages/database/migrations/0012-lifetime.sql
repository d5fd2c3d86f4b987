-- For how long a capsule may run at a stretch, and since when it has been running.
alter table sandboxes add column max_lifetime_sec integer not null default 0;
alter table sandboxes add column running_since timestamptz;
update sandboxes set running_since = last_updated where status = 'running';
