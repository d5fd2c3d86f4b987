-- Which browser signed up: only there an account is activated with the password that was chosen at the sign-up.

alter table one_time_tokens add column browser_hash text check (browser_hash ~ '^[0-9a-f]{64}$');

-- Making ports reachable and changing what a capsule may reach have separate scopes. Keys that could do both can still.
alter table api_keys drop constraint api_keys_scopes_check;
alter table api_keys add constraint api_keys_scopes_check
  check (scopes <@ '{read,run,manage,ports,egress}' and cardinality(scopes) > 0);
alter table api_keys alter column scopes set default '{read,run,manage,ports,egress}';
update api_keys set scopes = scopes || '{ports,egress}' where scopes @> '{run}';

-- Tokens name whom they are for. Keys of before have signed tokens that do not; these stay good until they end.
alter table signing_keys add column requires_audience boolean not null default true;
update signing_keys set requires_audience = false;
