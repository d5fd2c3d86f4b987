-- What a capsule may reach; null is the default: the internet, and nothing of the host and its networks.
alter table sandboxes add column network jsonb;
