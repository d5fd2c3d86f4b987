-- Which browser signed up: only there an account is activated with the password that was chosen at the sign-up.

alter table one_time_tokens add column browser_hash text check (browser_hash ~ '^[0-9a-f]{64}$');
