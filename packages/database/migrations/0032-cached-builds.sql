-- What builds find of earlier ones.

alter table build_steps add column cached boolean not null default false;

-- Of a version that a build has made: what led to it. The same build again needs no other version.
alter table templates add column build_key text;
create index templates_by_build on templates (team_id, name, build_key) where build_key is not null;
