-- Where logins are used and when they last were, for the people whose they are. What is known is of the last renewal of a token.

alter table sessions
  add column address text not null default '',
  add column user_agent text not null default '',
  -- Name of the device whose login a person approved in a browser.
  add column device text,
  add column last_used_at timestamptz;
update sessions set last_used_at = coalesce(
  (select max(created_at) from refresh_tokens where session_id = sessions.id), created_at);
alter table sessions alter column last_used_at set default now(), alter column last_used_at set not null;

-- A link by which a program that is logged in opens the dashboard, and what the browser that followed it confirms. Both end with the
-- login of the program.
alter table one_time_tokens
  drop constraint one_time_tokens_purpose_check,
  add constraint one_time_tokens_purpose_check
    check (purpose in ('activation', 'password_reset', 'bootstrap', 'browser_link', 'browser_login')),
  add column session_id uuid references sessions (id) on delete cascade,
  add constraint one_time_tokens_of_sessions
    check ((session_id is null) = (purpose not in ('browser_link', 'browser_login')));
create index one_time_tokens_by_session on one_time_tokens (session_id) where session_id is not null;
