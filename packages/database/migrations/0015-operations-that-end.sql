-- An operation may end in the transaction that changes its capsule; events are made at the commit, and still say who asked.
create or replace function capsule_actor(capsule uuid) returns jsonb language sql stable as $$
  select actor from operations
    where sandbox_id = capsule and (state = 'running' or xmin = pg_current_xact_id()::xid)
    order by created_at desc limit 1;
$$;
create index operations_by_sandbox on operations (sandbox_id, created_at);
