-- What the image or recipe of a version says of its programs: stop signal, exposed ports and labels.
alter table templates add column settings jsonb not null default '{}';
