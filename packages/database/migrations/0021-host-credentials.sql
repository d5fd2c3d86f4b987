-- Address that the host's registration came from: it may be reached there, whatever network that is. Hosts of the platform that are
-- registered already keep the address that they have. A host of a team may have named any address, so that it is judged like a new one.
alter table hosts add column registered_from text;
update hosts set registered_from = trim(both '[]' from regexp_replace(address, ':[0-9]+$', ''))
  where address is not null and type <> 'byoc';

-- Counts how often the host's credentials were revoked: links that were opened before are closed.
alter table hosts add column credentials_epoch integer not null default 0;

-- Certificates that a host may show on new connections. One that has a successor is accepted for a while longer.
create table host_certificates (
  host_id uuid not null references hosts (id),
  fingerprint text not null check (fingerprint ~ '^[0-9a-f]{64}$'),
  accepted_until timestamptz not null,
  created_at timestamptz not null default now(),
  primary key (host_id, fingerprint)
);
insert into host_certificates (host_id, fingerprint, accepted_until)
  select id, cert_fingerprint, cert_expires_at from hosts
  where cert_fingerprint ~ '^[0-9a-f]{64}$' and cert_expires_at is not null and deleted_at is null;
