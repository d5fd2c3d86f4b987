import { accountCall } from "../accounts/account-call.ts";
import type { Context } from "../context.ts";
import { ageText } from "../output/describe-capsule.ts";
import { pickOne } from "../output/pick-one.ts";
import { renderTable } from "../output/table.ts";
import type { AccountSchemas } from "../wire/generated/account-types.ts";

type Scope = AccountSchemas["ApiKey"]["scopes"][number];

export interface NewKeyOptions {
  readonly name?: string;
  readonly scope?: readonly string[];
  /** Milliseconds. */
  readonly expires?: number;
  /** In the form that clients of E2B take. */
  readonly e2b?: boolean;
}

/** An API key as this program prints it. */
export interface KeyDocument {
  readonly id: string;
  readonly name: string;
  /** First characters of the key. */
  readonly prefix: string;
  readonly scopes: readonly string[];
  readonly creatorEmail?: string;
  readonly createdAt: Date;
  readonly lastUsedAt?: Date;
  readonly expiresAt?: Date;
  /** The key itself, of a new one only. */
  readonly key?: string;
}

/** Lists API keys of the team that the person may see, newest first. */
export async function list(context: Context): Promise<void> {
  const keys = await readKeys(context);
  const now = Date.now();
  context.output.data(keys, () =>
    renderTable<KeyDocument>(
      [
        { title: "id", value: ({ id }) => id },
        { title: "name", value: ({ name }) => name },
        { title: "key", value: ({ prefix }) => `${prefix}…` },
        { title: "scopes", value: ({ scopes }) => scopes.join(",") },
        { title: "by", value: ({ creatorEmail = "" }) => creatorEmail },
        {
          title: "used",
          value: ({ lastUsedAt }) => (lastUsedAt ? `${ageText(lastUsedAt, now)} ago` : "never"),
        },
        { title: "expires", value: ({ expiresAt }) => expiresAt?.toISOString() ?? "never" },
      ],
      keys,
    ),
  );
}

/** Makes an API key and prints it, to standard output only: it is not shown again. */
export async function create(context: Context, { name, scope, expires, e2b }: NewKeyOptions): Promise<void> {
  const made = await accountCall(context, "POST /v1/api-keys", {
    body: {
      ...(name === undefined ? {} : { name }),
      ...(scope === undefined ? {} : { scopes: scope as readonly Scope[] }),
      ...(expires === undefined ? {} : { expires_in_sec: Math.ceil(expires / 1000) }),
      ...(e2b === true ? { form: "e2b" as const } : {}),
    },
  });
  context.output.data(keyDocument(made), () => `${made.key ?? ""}\n`);
  context.output.note(`API key ${made.id} (${made.name}) is shown this once.`);
}

/** Revokes API keys. */
export async function remove(context: Context, references: readonly string[]): Promise<void> {
  const keys = await readKeys(context);
  const found = references.map((reference) =>
    pickOne(reference, keys, {
      kind: "API key",
      idOf: ({ id }) => id,
      namesOf: ({ name, prefix }) => [name, prefix],
      list: "wrenn key ls",
    }),
  );
  for (const { id } of found) await accountCall(context, "DELETE /v1/api-keys/{id}", { path: { id } });
  context.output.data(
    found.map(({ id }) => ({ id })),
    () => found.map(({ id }) => `${id}\n`).join(""),
  );
}

async function readKeys(context: Context): Promise<readonly KeyDocument[]> {
  return (await accountCall(context, "GET /v1/api-keys")).map(keyDocument);
}

function keyDocument(wire: AccountSchemas["ApiKey"]): KeyDocument {
  const { id, name, key_prefix: prefix, scopes, created_at: createdAt, key } = wire;
  return {
    id,
    name,
    prefix,
    scopes,
    ...(wire.creator_email === undefined ? {} : { creatorEmail: wire.creator_email }),
    createdAt: new Date(createdAt),
    ...(wire.last_used === undefined ? {} : { lastUsedAt: new Date(wire.last_used) }),
    ...(wire.expires_at === undefined ? {} : { expiresAt: new Date(wire.expires_at) }),
    ...(key === undefined ? {} : { key }),
  };
}
