-- A database that the release before hosts (migration 0007) filled over its API, by pg_dump --inserts --no-owner --no-privileges --no-comments.
SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.api_keys (
    id uuid NOT NULL,
    team_id uuid NOT NULL,
    name text NOT NULL,
    key_hash text NOT NULL,
    key_prefix text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_used timestamp with time zone,
    created_by uuid,
    scopes text[] DEFAULT '{read,run,manage}'::text[] NOT NULL,
    expires_at timestamp with time zone,
    CONSTRAINT api_keys_key_hash_check CHECK ((key_hash ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT api_keys_scopes_check CHECK (((scopes <@ '{read,run,manage}'::text[]) AND (cardinality(scopes) > 0)))
);
CREATE TABLE public.audit_log (
    seq bigint NOT NULL,
    id uuid NOT NULL,
    team_id uuid NOT NULL,
    actor_type text NOT NULL,
    actor_id text,
    actor_name text,
    resource_type text NOT NULL,
    resource_id text,
    action text NOT NULL,
    scope text NOT NULL,
    status text NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT audit_log_actor_type_check CHECK ((actor_type = ANY (ARRAY['user'::text, 'api_key'::text, 'system'::text]))),
    CONSTRAINT audit_log_scope_check CHECK ((scope = ANY (ARRAY['team'::text, 'admin'::text]))),
    CONSTRAINT audit_log_status_check CHECK ((status = ANY (ARRAY['success'::text, 'info'::text, 'warning'::text, 'error'::text])))
);
ALTER TABLE public.audit_log ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_log_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.daily_usage (
    team_id uuid NOT NULL,
    day date NOT NULL,
    cpu_minutes double precision NOT NULL,
    ram_mb_minutes double precision NOT NULL
);
CREATE TABLE public.idempotency_keys (
    team_id uuid NOT NULL,
    key text NOT NULL,
    fingerprint text NOT NULL,
    sandbox_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.invitations (
    id uuid NOT NULL,
    team_id uuid NOT NULL,
    email text NOT NULL,
    role text NOT NULL,
    invited_by uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT invitations_email_check CHECK ((email = lower(email))),
    CONSTRAINT invitations_role_check CHECK ((role = ANY (ARRAY['admin'::text, 'member'::text])))
);
CREATE TABLE public.kysely_migration (
    name character varying(255) NOT NULL,
    "timestamp" character varying(255) NOT NULL
);
CREATE TABLE public.kysely_migration_lock (
    id character varying(255) NOT NULL,
    is_locked integer DEFAULT 0 NOT NULL
);
CREATE TABLE public.memberships (
    user_id uuid NOT NULL,
    team_id uuid NOT NULL,
    role text NOT NULL,
    is_default boolean DEFAULT false NOT NULL,
    joined_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT memberships_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text])))
);
CREATE TABLE public.one_time_tokens (
    hash text NOT NULL,
    purpose text NOT NULL,
    user_id uuid,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT one_time_tokens_check CHECK (((user_id IS NULL) = (purpose = 'bootstrap'::text))),
    CONSTRAINT one_time_tokens_hash_check CHECK ((hash ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT one_time_tokens_purpose_check CHECK ((purpose = ANY (ARRAY['activation'::text, 'password_reset'::text, 'bootstrap'::text])))
);
CREATE TABLE public.operations (
    id uuid NOT NULL,
    sandbox_id uuid NOT NULL,
    kind text NOT NULL,
    state text DEFAULT 'running'::text NOT NULL,
    problem text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT operations_kind_check CHECK ((kind = ANY (ARRAY['create'::text, 'destroy'::text, 'pause'::text, 'resume'::text, 'checkpoint'::text, 'restore'::text, 'fork'::text, 'snapshot'::text]))),
    CONSTRAINT operations_state_check CHECK ((state = ANY (ARRAY['running'::text, 'succeeded'::text, 'failed'::text])))
);
CREATE TABLE public.port_access (
    sandbox_id uuid NOT NULL,
    port integer NOT NULL,
    access text NOT NULL,
    CONSTRAINT port_access_access_check CHECK ((access = ANY (ARRAY['public'::text, 'private'::text]))),
    CONSTRAINT port_access_port_check CHECK (((port >= 1) AND (port <= 65535)))
);
CREATE TABLE public.refresh_tokens (
    hash text NOT NULL,
    session_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    used_at timestamp with time zone,
    CONSTRAINT refresh_tokens_hash_check CHECK ((hash ~ '^[0-9a-f]{64}$'::text))
);
CREATE TABLE public.sandboxes (
    id uuid NOT NULL,
    team_id uuid NOT NULL,
    template text NOT NULL,
    status text NOT NULL,
    vcpus integer NOT NULL,
    memory_mb integer NOT NULL,
    disk_mb integer NOT NULL,
    timeout_sec integer NOT NULL,
    host_ip text,
    problem text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    last_active_at timestamp with time zone,
    last_updated timestamp with time zone DEFAULT now() NOT NULL,
    auto_resume boolean DEFAULT false NOT NULL,
    network jsonb,
    CONSTRAINT sandboxes_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'starting'::text, 'running'::text, 'paused'::text, 'hibernated'::text, 'missing'::text, 'stopped'::text, 'error'::text])))
);
CREATE TABLE public.secrets (
    name text NOT NULL,
    value bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.sessions (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    team_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone
);
CREATE TABLE public.signing_keys (
    kid text NOT NULL,
    secret bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT signing_keys_secret_check CHECK ((length(secret) >= 32))
);
CREATE TABLE public.teams (
    id uuid NOT NULL,
    name text NOT NULL,
    slug text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    max_capsules integer DEFAULT 100 NOT NULL,
    max_vcpus integer DEFAULT 200 NOT NULL,
    max_memory_mb integer DEFAULT 262144 NOT NULL,
    max_templates integer DEFAULT 100 NOT NULL
);
CREATE TABLE public.templates (
    id uuid NOT NULL,
    team_id uuid NOT NULL,
    name text NOT NULL,
    host_key text NOT NULL,
    vcpus integer NOT NULL,
    memory_mb integer NOT NULL,
    size_bytes bigint NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.usage_samples (
    team_id uuid NOT NULL,
    sampled_at timestamp with time zone NOT NULL,
    running_count integer NOT NULL,
    vcpus_reserved integer NOT NULL,
    memory_mb_reserved integer NOT NULL
);
CREATE TABLE public.users (
    id uuid NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    password_hash text NOT NULL,
    status text NOT NULL,
    is_admin boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT users_email_check CHECK ((email = lower(email))),
    CONSTRAINT users_status_check CHECK ((status = ANY (ARRAY['inactive'::text, 'active'::text, 'disabled'::text, 'deleted'::text])))
);
INSERT INTO public.api_keys VALUES ('18d27400-8822-4c0e-bc70-091f96fe9c1c', '94a984e0-c285-45d7-8580-e569a5a04210', 'First key', '55eaea624be54ee6771ba6e80985bdb9fc53841e87efb42faa0819a9d74ba8b3', 'wrn_d90701', '2026-11-23 13:34:41.405747+00', NULL, NULL, '{read,run,manage}', NULL);
INSERT INTO public.api_keys VALUES ('378047db-c439-4755-9f8f-1e1ebd947bec', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'old', '981abeb26989a4bc2c9be3cd3b4083916d25c5a6f7cf9d0a1d1051363d4c72ef', 'wrn_39a0e3', '2026-11-23 13:34:43.434169+00', NULL, '7a697b2a-6143-418f-b567-ec5250330bc4', '{read,run,manage}', '2026-11-23 13:38:43.432+00');
INSERT INTO public.api_keys VALUES ('98dc703a-0646-4e74-9acf-15894c03180f', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'ci', 'fc60e17f45866df18c2a1a9a644106067bc2b4f81b5b97aad31a01c0526c745f', 'wrn_9261dc', '2026-11-23 13:34:43.408797+00', '2026-11-23 13:37:43.619+00', '7a697b2a-6143-418f-b567-ec5250330bc4', '{read,run}', NULL);
INSERT INTO public.audit_log OVERRIDING SYSTEM VALUE VALUES (1, '7aac1364-6a60-4afb-b127-c22a60e942ad', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'user', 'usr-78w8697khp9n5vxr7o98y8e6c', 'owner', 'member', NULL, 'invite', 'admin', 'success', '{"role": "member", "email": "guest@example.org"}', '2026-11-23 13:34:43.258255+00');
INSERT INTO public.audit_log OVERRIDING SYSTEM VALUE VALUES (2, '77c318f7-ed5f-4e8c-8183-71138b1c3d08', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'user', 'usr-b7w9wi52954ghfhxeoel1si7f', 'guest', 'member', NULL, 'join', 'admin', 'success', '{"role": "member"}', '2026-11-23 13:34:43.33917+00');
INSERT INTO public.audit_log OVERRIDING SYSTEM VALUE VALUES (3, '3e941194-c7cf-43c5-9ef1-cfdb9e35e093', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'user', 'usr-78w8697khp9n5vxr7o98y8e6c', 'owner', 'member', NULL, 'invite', 'admin', 'success', '{"role": "admin", "email": "later@example.org"}', '2026-11-23 13:34:43.392484+00');
INSERT INTO public.audit_log OVERRIDING SYSTEM VALUE VALUES (4, '7edf911c-83ca-4cc7-b41b-8f36b6b8fd86', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'user', 'usr-78w8697khp9n5vxr7o98y8e6c', 'owner', 'api_key', 'key-91sgyqmvuu5sscjw03qp24u8f', 'create', 'team', 'success', '{"name": "ci"}', '2026-11-23 13:34:43.408797+00');
INSERT INTO public.audit_log OVERRIDING SYSTEM VALUE VALUES (5, 'a78172d3-6e4b-42fc-aeeb-816119270eeb', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'user', 'usr-78w8697khp9n5vxr7o98y8e6c', 'owner', 'api_key', 'key-3aae8yxaqc27g55x1h6prtazw', 'create', 'team', 'success', '{"name": "old"}', '2026-11-23 13:34:43.434169+00');
INSERT INTO public.audit_log OVERRIDING SYSTEM VALUE VALUES (6, '2fd86615-9139-4394-8736-cc61c43854ec', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'api_key', 'key-91sgyqmvuu5sscjw03qp24u8f', 'ci', 'sandbox', 'cl-cx94ca4gj8emkn1yuafioxii2', 'create', 'team', 'success', '{"template": "minimal"}', '2026-11-23 13:34:43.459858+00');
INSERT INTO public.audit_log OVERRIDING SYSTEM VALUE VALUES (7, 'ccf214ef-562d-42c9-8a56-ae7f7e3af54e', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'api_key', 'key-91sgyqmvuu5sscjw03qp24u8f', 'ci', 'sandbox', 'cl-ec21zmgpv8wudeuthhm3090q2', 'create', 'team', 'success', '{"template": "minimal"}', '2026-11-23 13:34:43.473238+00');
INSERT INTO public.audit_log OVERRIDING SYSTEM VALUE VALUES (8, 'ea5fe5d7-285d-4d2a-b240-97f86d901c65', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'api_key', 'key-91sgyqmvuu5sscjw03qp24u8f', 'ci', 'sandbox', 'cl-9f0479bwtuy5gf1odvgapsr2j', 'create', 'team', 'success', '{"template": "minimal"}', '2026-11-23 13:34:43.498221+00');
INSERT INTO public.audit_log OVERRIDING SYSTEM VALUE VALUES (9, 'e8d2e138-cf04-40ac-bdb8-b2ca3edc2770', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'api_key', 'key-91sgyqmvuu5sscjw03qp24u8f', 'ci', 'sandbox', 'cl-earyuke09w2powad3y1khtpwj', 'create', 'team', 'success', '{"template": "minimal"}', '2026-11-23 13:34:43.527107+00');
INSERT INTO public.audit_log OVERRIDING SYSTEM VALUE VALUES (10, 'f830323d-b43c-4eb3-8473-ca9e488f3d1c', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'api_key', 'key-91sgyqmvuu5sscjw03qp24u8f', 'ci', 'sandbox', 'cl-9s7aobtrsz5saf39ejfqn4waa', 'create', 'team', 'success', '{"template": "minimal"}', '2026-11-23 13:34:43.552604+00');
INSERT INTO public.audit_log OVERRIDING SYSTEM VALUE VALUES (11, '3245f67b-288d-4d0c-b6cb-e0dce4429ea6', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'api_key', 'key-91sgyqmvuu5sscjw03qp24u8f', 'ci', 'sandbox', 'cl-earyuke09w2powad3y1khtpwj', 'destroy', 'team', 'warning', '{}', '2026-11-23 13:34:43.574511+00');
INSERT INTO public.idempotency_keys VALUES ('1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'n0', 'f3d51eae77531f3d47c6f9a4d70fa3a8449a1fd6ffc9f1a0efcbe2ec9616fffd', 'da4c00eb-0bcf-4091-8bf4-afca8f74ebea', '2026-11-23 13:34:43.445369+00');
INSERT INTO public.idempotency_keys VALUES ('1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'n1', 'abe24501eef70320c57085036541a701a38f860d6a451991700f4a2074480fb5', 'f2224e3b-1e03-40ee-ba87-4c752ac8f7ea', '2026-11-23 13:34:43.465146+00');
INSERT INTO public.idempotency_keys VALUES ('1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'n2', '7ab2e3baa8a011890f1225eaf5afb3a6e3b9669a18e474630ae7f5e4c044ba15', '9f0f7209-2117-4ebf-81eb-9da043f7590b', '2026-11-23 13:34:43.477569+00');
INSERT INTO public.idempotency_keys VALUES ('1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'n3', 'f3d51eae77531f3d47c6f9a4d70fa3a8449a1fd6ffc9f1a0efcbe2ec9616fffd', 'f18888b2-d43c-4843-bd8e-449e6c583963', '2026-11-23 13:34:43.506385+00');
INSERT INTO public.idempotency_keys VALUES ('1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'n4', 'e6c5535b22bb4eff47cde617a48ace0a6b0b58a56e8a2e986947f5564e8fe8a9', 'a540e621-3f90-4298-be49-99bf2b784b72', '2026-11-23 13:34:43.539268+00');
INSERT INTO public.invitations VALUES ('8da19d5a-23da-48b6-b763-9df2ac5850f6', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'later@example.org', 'admin', '7a697b2a-6143-418f-b567-ec5250330bc4', '2026-11-23 13:34:43.392484+00', '2026-11-30 13:37:43.392+00');
INSERT INTO public.kysely_migration VALUES ('0001-initial.sql', '2026-11-23T13:34:41.312Z');
INSERT INTO public.kysely_migration VALUES ('0002-snapshots.sql', '2026-11-23T13:34:41.321Z');
INSERT INTO public.kysely_migration VALUES ('0003-accounts.sql', '2026-11-23T13:34:41.361Z');
INSERT INTO public.kysely_migration VALUES ('0004-ports.sql', '2026-11-23T13:34:41.378Z');
INSERT INTO public.kysely_migration VALUES ('0005-limits-and-usage.sql', '2026-11-23T13:34:41.391Z');
INSERT INTO public.kysely_migration VALUES ('0007-network.sql', '2026-11-23T13:34:41.394Z');
INSERT INTO public.kysely_migration_lock VALUES ('migration_lock', 0);
INSERT INTO public.memberships VALUES ('7a697b2a-6143-418f-b567-ec5250330bc4', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'owner', true, '2026-11-23 13:34:42.702947+00');
INSERT INTO public.memberships VALUES ('bd821dc8-4ed4-4b7d-94f8-f1655128402b', '78c37855-8dc2-4d1d-8cb6-8e698ca70141', 'owner', true, '2026-11-23 13:34:42.99201+00');
INSERT INTO public.memberships VALUES ('400c1e65-c4c5-4fb3-9694-82013fbd80c3', '737f8106-b609-411c-a054-60dd8c3ff351', 'owner', true, '2026-11-23 13:34:43.195509+00');
INSERT INTO public.memberships VALUES ('bd821dc8-4ed4-4b7d-94f8-f1655128402b', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'member', false, '2026-11-23 13:34:43.33917+00');
INSERT INTO public.one_time_tokens VALUES ('8915633ba3d664c5702ea8a63113f1bce2f577a87ec8b83e5e2dcd52af6b54a7', 'bootstrap', NULL, '2026-11-24 13:34:41.461+00');
INSERT INTO public.operations VALUES ('173b319b-6602-423e-bc2a-6c7610305d0e', 'da4c00eb-0bcf-4091-8bf4-afca8f74ebea', 'create', 'succeeded', NULL, '2026-11-23 13:34:43.455199+00', '2026-11-23 13:37:43.458+00');
INSERT INTO public.operations VALUES ('6c37b79d-6085-4343-8405-f51d14977149', 'f2224e3b-1e03-40ee-ba87-4c752ac8f7ea', 'create', 'succeeded', NULL, '2026-11-23 13:34:43.469859+00', '2026-11-23 13:37:43.472+00');
INSERT INTO public.operations VALUES ('c8a0322b-1edd-4255-8600-a77d0090e8d9', '9f0f7209-2117-4ebf-81eb-9da043f7590b', 'create', 'succeeded', NULL, '2026-11-23 13:34:43.488383+00', '2026-11-23 13:37:43.493+00');
INSERT INTO public.operations VALUES ('059f4860-502f-4db5-9eb4-c9623817fb43', 'f18888b2-d43c-4843-bd8e-449e6c583963', 'create', 'succeeded', NULL, '2026-11-23 13:34:43.516018+00', '2026-11-23 13:37:43.52+00');
INSERT INTO public.operations VALUES ('88f266f1-0dc4-495c-9243-a39c56048f07', 'a540e621-3f90-4298-be49-99bf2b784b72', 'create', 'succeeded', NULL, '2026-11-23 13:34:43.548132+00', '2026-11-23 13:37:43.549+00');
INSERT INTO public.operations VALUES ('b9d89b2d-31a8-40d6-9f49-6f113be5220e', 'f18888b2-d43c-4843-bd8e-449e6c583963', 'destroy', 'running', NULL, '2026-11-23 13:34:43.556907+00', NULL);
INSERT INTO public.port_access VALUES ('da4c00eb-0bcf-4091-8bf4-afca8f74ebea', 8080, 'public');
INSERT INTO public.refresh_tokens VALUES ('5977ae3ee9219a191cb73033b7c9d9c26fa01f49e9ced928d5c16b1d5d52f0ab', '5735cf8b-d700-465c-8886-01da9a15cf99', '2026-11-23 13:34:42.716138+00', NULL);
INSERT INTO public.refresh_tokens VALUES ('87218fd50de61c98ef127f02ee2593d76a01e14bd75970ad72bb821386da80fd', 'c0e20907-a92b-45e6-9c41-873b0f314e62', '2026-11-23 13:34:43.006509+00', NULL);
INSERT INTO public.refresh_tokens VALUES ('0449d9510a0d15b91e7195457a7773d87c0511808422760f77aa0026896526a7', '325b9122-cf8e-429a-95ca-7aa76396664e', '2026-11-23 13:34:43.224804+00', NULL);
INSERT INTO public.sandboxes VALUES ('da4c00eb-0bcf-4091-8bf4-afca8f74ebea', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'minimal', 'running', 1, 512, 5120, 0, NULL, NULL, '{}', 2, '2026-11-23 13:34:43.445369+00', '2026-11-23 13:37:43.456+00', NULL, '2026-11-23 13:37:43.456+00', false, NULL);
INSERT INTO public.sandboxes VALUES ('f2224e3b-1e03-40ee-ba87-4c752ac8f7ea', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'minimal', 'running', 2, 1024, 5120, 60, NULL, NULL, '{}', 2, '2026-11-23 13:34:43.465146+00', '2026-11-23 13:37:43.47+00', NULL, '2026-11-23 13:37:43.47+00', false, NULL);
INSERT INTO public.sandboxes VALUES ('a540e621-3f90-4298-be49-99bf2b784b72', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'minimal', 'running', 1, 512, 5120, 0, NULL, NULL, '{}', 2, '2026-11-23 13:34:43.539268+00', '2026-11-23 13:37:43.548+00', NULL, '2026-11-23 13:37:43.548+00', false, '{"deny": [], "allow": [], "egress": "allow"}');
INSERT INTO public.sandboxes VALUES ('f18888b2-d43c-4843-bd8e-449e6c583963', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'minimal', 'stopped', 1, 512, 5120, 0, NULL, NULL, '{}', 3, '2026-11-23 13:34:43.506385+00', '2026-11-23 13:37:43.517+00', NULL, '2026-11-23 13:37:43.557+00', false, NULL);
INSERT INTO public.sandboxes VALUES ('9f0f7209-2117-4ebf-81eb-9da043f7590b', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'minimal', 'paused', 1, 512, 5120, 0, NULL, NULL, '{}', 2, '2026-11-23 13:34:43.477569+00', '2026-11-23 13:37:43.488+00', NULL, '2026-11-23 13:37:43.488+00', true, NULL);
INSERT INTO public.sessions VALUES ('5735cf8b-d700-465c-8886-01da9a15cf99', '7a697b2a-6143-418f-b567-ec5250330bc4', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', '2026-11-23 13:34:42.712055+00', '2026-12-23 13:34:42.711+00', NULL);
INSERT INTO public.sessions VALUES ('c0e20907-a92b-45e6-9c41-873b0f314e62', 'bd821dc8-4ed4-4b7d-94f8-f1655128402b', '78c37855-8dc2-4d1d-8cb6-8e698ca70141', '2026-11-23 13:34:42.999057+00', '2026-12-23 13:35:42.998+00', NULL);
INSERT INTO public.sessions VALUES ('325b9122-cf8e-429a-95ca-7aa76396664e', '400c1e65-c4c5-4fb3-9694-82013fbd80c3', '737f8106-b609-411c-a054-60dd8c3ff351', '2026-11-23 13:34:43.218852+00', '2026-12-23 13:36:43.218+00', NULL);
INSERT INTO public.signing_keys VALUES ('b8ea010e8975954a', '\x25d2c18e1b635d9bd55369e02a019d7493b63cd38a79016f428c0617be31dc29', '2026-11-23 13:34:41.439009+00');
INSERT INTO public.teams VALUES ('00000000-0000-0000-0000-000000000000', 'Platform', 'platform', '2026-11-23 13:34:41.405747+00', NULL, 100, 200, 262144, 100);
INSERT INTO public.teams VALUES ('94a984e0-c285-45d7-8580-e569a5a04210', 'Default', '9ef59e-e012fd', '2026-11-23 13:34:41.405747+00', NULL, 100, 200, 262144, 100);
INSERT INTO public.teams VALUES ('1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'owner''s Team', '530918-5f471e', '2026-11-23 13:34:42.702947+00', NULL, 100, 200, 262144, 100);
INSERT INTO public.teams VALUES ('78c37855-8dc2-4d1d-8cb6-8e698ca70141', 'guest''s Team', 'dc6605-5e2599', '2026-11-23 13:34:42.99201+00', NULL, 100, 200, 262144, 100);
INSERT INTO public.teams VALUES ('737f8106-b609-411c-a054-60dd8c3ff351', 'idle''s Team', 'f887db-b53ae4', '2026-11-23 13:34:43.195509+00', NULL, 100, 200, 262144, 100);
INSERT INTO public.templates VALUES ('c2461787-c2ff-4177-81ae-a625776bf17c', '1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', 'kept', 'snap-1', 1, 512, 12345, '{}', '2026-11-23 13:34:43.609971+00');
INSERT INTO public.usage_samples VALUES ('1a14cb86-f8b0-4807-ab0b-f54c60aefcf9', '2026-11-23 13:37:40+00', 4, 5, 2560);
INSERT INTO public.users VALUES ('7a697b2a-6143-418f-b567-ec5250330bc4', 'owner@example.org', 'owner', '$argon2id$v=19$m=19456,t=2,p=1$1s3Lne0hHlxSR2R9CkOWuA$/lyZeHPKEj7FfK0VTA/VSSPrHZqEllggok7NMydv4Ro', 'active', false, '2026-11-23 13:34:42.656373+00', NULL);
INSERT INTO public.users VALUES ('bd821dc8-4ed4-4b7d-94f8-f1655128402b', 'guest@example.org', 'guest', '$argon2id$v=19$m=19456,t=2,p=1$k93ntG18zsQEh4tJTCwKPA$AiuCdzmIkMpUGGakI6X5VC6NzZruzYndMlMlwNLJN6Q', 'active', false, '2026-11-23 13:34:42.975991+00', NULL);
INSERT INTO public.users VALUES ('400c1e65-c4c5-4fb3-9694-82013fbd80c3', 'idle@example.org', 'idle', '$argon2id$v=19$m=19456,t=2,p=1$2Lzogehe8+OwblrbPByp/A$unG5lOcRadWDmZbn2s5kLdxO2dEMZtaghVung02H8Bk', 'active', false, '2026-11-23 13:34:43.190812+00', NULL);
SELECT pg_catalog.setval('public.audit_log_seq_seq', 11, true);
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_key_hash_key UNIQUE (key_hash);
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_id_key UNIQUE (id);
ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY public.daily_usage
    ADD CONSTRAINT daily_usage_pkey PRIMARY KEY (team_id, day);
ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (team_id, key);
ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_team_id_email_key UNIQUE (team_id, email);
ALTER TABLE ONLY public.kysely_migration_lock
    ADD CONSTRAINT kysely_migration_lock_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.kysely_migration
    ADD CONSTRAINT kysely_migration_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_pkey PRIMARY KEY (user_id, team_id);
ALTER TABLE ONLY public.one_time_tokens
    ADD CONSTRAINT one_time_tokens_pkey PRIMARY KEY (hash);
ALTER TABLE ONLY public.operations
    ADD CONSTRAINT operations_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.port_access
    ADD CONSTRAINT port_access_pkey PRIMARY KEY (sandbox_id, port);
ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT refresh_tokens_pkey PRIMARY KEY (hash);
ALTER TABLE ONLY public.sandboxes
    ADD CONSTRAINT sandboxes_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.secrets
    ADD CONSTRAINT secrets_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.signing_keys
    ADD CONSTRAINT signing_keys_pkey PRIMARY KEY (kid);
ALTER TABLE ONLY public.teams
    ADD CONSTRAINT teams_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.teams
    ADD CONSTRAINT teams_slug_key UNIQUE (slug);
ALTER TABLE ONLY public.templates
    ADD CONSTRAINT templates_host_key_key UNIQUE (host_key);
ALTER TABLE ONLY public.templates
    ADD CONSTRAINT templates_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.templates
    ADD CONSTRAINT templates_team_id_name_key UNIQUE (team_id, name);
ALTER TABLE ONLY public.usage_samples
    ADD CONSTRAINT usage_samples_pkey PRIMARY KEY (team_id, sampled_at);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);
CREATE INDEX api_keys_by_team ON public.api_keys USING btree (team_id);
CREATE INDEX audit_log_by_team ON public.audit_log USING btree (team_id, seq DESC);
CREATE INDEX idempotency_keys_by_age ON public.idempotency_keys USING btree (created_at);
CREATE INDEX invitations_by_email ON public.invitations USING btree (email);
CREATE INDEX memberships_by_team ON public.memberships USING btree (team_id, joined_at);
CREATE UNIQUE INDEX one_owner_per_team ON public.memberships USING btree (team_id) WHERE (role = 'owner'::text);
CREATE INDEX one_time_tokens_by_user ON public.one_time_tokens USING btree (user_id, purpose);
CREATE INDEX operations_running ON public.operations USING btree (created_at) WHERE (state = 'running'::text);
CREATE INDEX refresh_tokens_by_session ON public.refresh_tokens USING btree (session_id);
CREATE INDEX sandboxes_by_team ON public.sandboxes USING btree (team_id, created_at DESC) WHERE (status <> ALL (ARRAY['stopped'::text, 'error'::text]));
CREATE INDEX sandboxes_live ON public.sandboxes USING btree (status) WHERE (status <> ALL (ARRAY['stopped'::text, 'error'::text]));
CREATE INDEX sessions_by_user ON public.sessions USING btree (user_id) WHERE (revoked_at IS NULL);
CREATE INDEX usage_samples_by_age ON public.usage_samples USING btree (sampled_at);
CREATE UNIQUE INDEX users_by_email ON public.users USING btree (email) WHERE (status = ANY (ARRAY['active'::text, 'disabled'::text]));
CREATE INDEX users_waiting ON public.users USING btree (email, created_at) WHERE (status = 'inactive'::text);
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_created_by_fkey FOREIGN KEY (created_by) REFERENCES public.users(id);
ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_team_id_fkey FOREIGN KEY (team_id) REFERENCES public.teams(id);
ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_team_id_fkey FOREIGN KEY (team_id) REFERENCES public.teams(id);
ALTER TABLE ONLY public.daily_usage
    ADD CONSTRAINT daily_usage_team_id_fkey FOREIGN KEY (team_id) REFERENCES public.teams(id);
ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_sandbox_id_fkey FOREIGN KEY (sandbox_id) REFERENCES public.sandboxes(id);
ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_team_id_fkey FOREIGN KEY (team_id) REFERENCES public.teams(id);
ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_invited_by_fkey FOREIGN KEY (invited_by) REFERENCES public.users(id);
ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT invitations_team_id_fkey FOREIGN KEY (team_id) REFERENCES public.teams(id);
ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_team_id_fkey FOREIGN KEY (team_id) REFERENCES public.teams(id);
ALTER TABLE ONLY public.memberships
    ADD CONSTRAINT memberships_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.one_time_tokens
    ADD CONSTRAINT one_time_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.operations
    ADD CONSTRAINT operations_sandbox_id_fkey FOREIGN KEY (sandbox_id) REFERENCES public.sandboxes(id);
ALTER TABLE ONLY public.port_access
    ADD CONSTRAINT port_access_sandbox_id_fkey FOREIGN KEY (sandbox_id) REFERENCES public.sandboxes(id);
ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT refresh_tokens_session_id_fkey FOREIGN KEY (session_id) REFERENCES public.sessions(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.sandboxes
    ADD CONSTRAINT sandboxes_team_id_fkey FOREIGN KEY (team_id) REFERENCES public.teams(id);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_team_id_fkey FOREIGN KEY (team_id) REFERENCES public.teams(id);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);
ALTER TABLE ONLY public.templates
    ADD CONSTRAINT templates_team_id_fkey FOREIGN KEY (team_id) REFERENCES public.teams(id);
ALTER TABLE ONLY public.usage_samples
    ADD CONSTRAINT usage_samples_team_id_fkey FOREIGN KEY (team_id) REFERENCES public.teams(id);
