-- What the pause of a capsule has kept; null while it is not paused, and for pauses of earlier releases, which kept the memory.
alter table sandboxes add column kept text check (kept in ('memory', 'disk'));
-- How the disk of a running capsule was when its machine was booted from it; null when it runs on from frozen memory.
alter table sandboxes add column disk_at_boot text check (disk_at_boot in ('clean', 'checked'));
