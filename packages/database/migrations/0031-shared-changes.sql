-- The other members of a team see its name on their pages.

create function emit_team_event() returns trigger language plpgsql as $$
begin
  perform emit_event(new.id, 'team.renamed', transaction_actor(), 'team', new.id::text, jsonb_build_object('name', new.name));
  return null;
end $$;
create constraint trigger team_events after update of name on teams
  deferrable initially deferred for each row when (old.name is distinct from new.name) execute function emit_team_event();
