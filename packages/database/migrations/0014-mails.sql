-- What people are to be told by mail: written with the change that it tells of, taken to the mail server after its commit.

create table mails (
  id uuid primary key,
  recipient text not null,
  kind text not null,
  -- AES-256-GCM of subject, text and link as JSON: nonce, ciphertext, tag. Gone as soon as nobody needs it.
  content bytea,
  -- Of the link in it: a mail is gone with its token, which is deleted when it is used, replaced or over.
  token_hash text references one_time_tokens (hash) on delete cascade,
  -- Kept: there is no mail server, and administrators pass it on.
  state text not null check (state in ('waiting', 'kept', 'delivered', 'failed')),
  attempts integer not null default 0,
  -- Also the end of the claim of whoever is trying.
  due_at timestamptz not null default now(),
  problem text,
  created_at timestamptz not null default now(),
  -- Nothing is told after this.
  expires_at timestamptz not null,
  check (content is not null or state in ('delivered', 'failed'))
);
create index mails_due on mails (due_at) where state = 'waiting';
create index mails_by_time on mails (created_at desc, id);
create index mails_by_token on mails (token_hash);
