-- The API of E2B.

-- How ports of the capsule are reached, where they are public unless something else is said; null: they are private.
alter table sandboxes add column ingress jsonb;
-- False: capsules of the team have no public ports.
alter table teams add column allows_public_ports boolean not null default true;
