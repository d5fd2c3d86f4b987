-- Access ends with what it rests on, and every control plane is notified of it.

-- An API key, a link to a port and an invitation end with the membership of the person who made them. The reference to the membership
-- holds for every way in which it ends, and against a key that is created at the same moment.
delete from api_keys where created_by is not null and not exists (
  select from memberships join users on users.id = memberships.user_id
  where memberships.user_id = api_keys.created_by and memberships.team_id = api_keys.team_id
    and users.status = 'active'
);
alter table api_keys add constraint api_keys_of_members foreign key (created_by, team_id)
  references memberships (user_id, team_id) on delete cascade;
create index api_keys_by_creator on api_keys (created_by, team_id);

delete from invitations where not exists (
  select from memberships
  where memberships.user_id = invitations.invited_by and memberships.team_id = invitations.team_id
    and memberships.role in ('owner', 'admin')
);
alter table invitations add constraint invitations_of_members foreign key (invited_by, team_id)
  references memberships (user_id, team_id) on delete cascade;
create index invitations_by_inviter on invitations (invited_by, team_id);

-- A token that registers a host, once and within an hour, ends when a person who may have created it loses the right to: as an admin of the
-- host's team, or as an administrator of the platform.
create function end_registrations_of_team() returns trigger language plpgsql as $$
begin
  delete from host_tokens using hosts
    where hosts.id = host_tokens.host_id and host_tokens.purpose = 'registration' and hosts.team_id = old.team_id;
  return null;
end $$;
create trigger member_registrations after delete or update of role on memberships
  for each row when (old.role <> 'member') execute function end_registrations_of_team();
create function end_registrations_of_user() returns trigger language plpgsql as $$
begin
  delete from host_tokens using hosts
    where hosts.id = host_tokens.host_id and host_tokens.purpose = 'registration' and (
      (old.is_admin and hosts.team_id is null) or hosts.team_id in (
        select team_id from memberships where user_id = old.id and role <> 'member'
      )
    );
  return null;
end $$;
create trigger user_registrations after update of status, is_admin on users
  for each row when (old.status = 'active' and (new.status <> 'active' or (old.is_admin and not new.is_admin)))
  execute function end_registrations_of_user();

-- A signed link to a port. Its token names the row: without the row the link does not work.
create table port_links (
  id uuid primary key,
  sandbox_id uuid not null references sandboxes (id),
  port integer not null check (port between 1 and 65535),
  team_id uuid not null references teams (id),
  -- The person, or else the API key, that made it.
  created_by uuid,
  api_key_id uuid references api_keys (id) on delete cascade,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  check ((created_by is null) <> (api_key_id is null)),
  foreign key (created_by, team_id) references memberships (user_id, team_id) on delete cascade
);
create index port_links_by_capsule on port_links (sandbox_id, created_at);
create index port_links_by_creator on port_links (created_by, team_id);
create index port_links_by_key on port_links (api_key_id);
create index port_links_by_end on port_links (expires_at);

-- Says at the commit what kind of access ended, or may have ended, and the id that it is of: `key 0190…`.
create function notify_revocation() returns trigger language plpgsql as $$
begin
  perform pg_notify('wrenn_revocations', tg_argv[0] || ' ' || (coalesce(to_jsonb(old), to_jsonb(new)) ->> tg_argv[1]));
  return null;
end $$;
create trigger key_revocations after delete or update of team_id, scopes, expires_at on api_keys
  for each row execute function notify_revocation('key', 'id');
create trigger member_revocations after delete or update of role on memberships
  for each row execute function notify_revocation('user', 'user_id');
create trigger user_revocations after update of status, is_admin on users
  for each row execute function notify_revocation('user', 'id');
create trigger session_revocations after delete or update of revoked_at, expires_at on sessions
  for each row when (old.revoked_at is null) execute function notify_revocation('session', 'id');
create trigger team_revocations after update of deleted_at on teams
  for each row execute function notify_revocation('team', 'id');
create trigger link_revocations after delete or update of expires_at on port_links
  for each row when (old.expires_at > now()) execute function notify_revocation('link', 'id');
create trigger port_revocations after insert or delete or update of access on port_access
  for each row execute function notify_revocation('ports', 'sandbox_id');
