-- Logins of programs that redirect a browser to themselves (RFC 8252), and the API keys that end with such a login.

alter table sessions
  -- OAuth client id of the program; null for logins of people in browsers and for devices.
  add column oauth_client text;

alter table api_keys
  -- The login that the key was made for. A key that a person made has none.
  add column session_id uuid references sessions (id) on delete cascade;
create unique index api_keys_of_sessions on api_keys (session_id, team_id) where session_id is not null;

-- The keys of a login end with it, however it ends. A key that is being made holds the login, so that its end waits and finds the key.
create function end_keys_of_session() returns trigger language plpgsql as $$
begin
  delete from api_keys where session_id = old.id;
  return null;
end $$;
create trigger session_keys after update of revoked_at on sessions
  for each row when (old.revoked_at is null and new.revoked_at is not null) execute function end_keys_of_session();
