import { readFile } from "node:fs/promises";
import type { RegistryCredentials } from "@wrenn/sdk";
import { ClientError } from "../errors/client-error.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The values of `--build-arg`: `NAME=value`, or `NAME` of the environment. @throws ClientError `usage`. */
export function buildArgs(given: readonly string[], env: Environment): Readonly<Record<string, string>> {
  return Object.fromEntries(
    given.map((text) => {
      const at = text.indexOf("=");
      const name = at === -1 ? text : text.slice(0, at);
      if (name === "") throw usage(`--build-arg ${text} has no name`, "Write --build-arg NAME=value.");
      const value = at === -1 ? env[name] : text.slice(at + 1);
      if (value === undefined)
        throw usage(
          `--build-arg ${name}: the environment has no variable ${name}`,
          `Set it, or write --build-arg ${name}=value.`,
        );
      return [name, value];
    }),
  );
}

/** Bytes of one secret. */
const MAX_SECRET = 64 * 1024;
const FIELDS: Readonly<Record<string, "id" | "src" | "env" | "type">> = {
  id: "id",
  src: "src",
  source: "src",
  env: "env",
  type: "type",
};

/**
 * The values of `--secret`: `id=NAME,src=FILE`, `id=NAME,env=VARIABLE`, or `id=NAME` for the variable of that name. They are in no
 * message.
 *
 * @throws ClientError `usage`, `file_unreadable`.
 */
export async function buildSecrets(
  given: readonly string[],
  env: Environment,
  signal: AbortSignal,
): Promise<Readonly<Record<string, string>>> {
  const secrets = new Map<string, string>();
  for (const text of given) {
    const { id, src, env: variable } = fieldsOf(text);
    if (secrets.has(id)) throw usage(`the secret ${id} is given twice`, "Leave one of them out.");
    const value = src === undefined ? env[variable ?? id] : await readSecret(id, src, signal);
    if (value === undefined)
      throw usage(
        `the secret ${id}: the environment has no variable ${variable ?? id}`,
        `Set it, or write --secret id=${id},src=FILE.`,
      );
    if (Buffer.byteLength(value) > MAX_SECRET)
      throw usage(
        `the secret ${id} is longer than ${MAX_SECRET / 1024} KiB`,
        "Put what is long into the context.",
      );
    secrets.set(id, value);
  }
  return Object.fromEntries(secrets);
}

function fieldsOf(text: string): { readonly id: string; readonly src?: string; readonly env?: string } {
  const fields = new Map<string, string>();
  for (const field of text.split(",")) {
    const at = field.indexOf("=");
    const name = FIELDS[field.slice(0, Math.max(0, at))];
    if (name === undefined || at === field.length - 1)
      throw usage(
        "--secret has a field that is not known or empty",
        "Write --secret id=NAME,src=FILE or --secret id=NAME,env=VARIABLE.",
      );
    fields.set(name, field.slice(at + 1));
  }
  const [id, src, env] = ["id", "src", "env"].map((name) => fields.get(name));
  if (id === undefined) throw usage("a secret has no id", "Write --secret id=NAME,src=FILE.");
  if (src !== undefined && env !== undefined)
    throw usage(`the secret ${id} has both src and env`, "Leave one of them out.");
  return { id, ...(src === undefined ? {} : { src }), ...(env === undefined ? {} : { env }) };
}

async function readSecret(id: string, path: string, signal: AbortSignal): Promise<string> {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      await readFile(path, { signal }),
    );
  } catch (error) {
    signal.throwIfAborted();
    const isText = error instanceof TypeError;
    throw new ClientError(
      "usage",
      "file_unreadable",
      `the secret ${id}: ${isText ? `${path} is not a text in UTF-8` : (error as Error).message}`,
      "Name a text file that this user may read.",
      { cause: error },
    );
  }
}

const PASSWORD = "WRENN_REGISTRY_PASSWORD";

/** The login of `--registry-user`, whose password is not in the list of processes. @throws ClientError `usage`. */
export function registryLogin(
  username: string | undefined,
  env: Environment,
): RegistryCredentials | undefined {
  if (username === undefined) return undefined;
  const password = env[PASSWORD];
  if (username === "" || password === undefined || password === "")
    throw usage(
      username === "" ? "--registry-user is empty" : `--registry-user ${username}: ${PASSWORD} is not set`,
      `Put the password, or a token, into the environment as ${PASSWORD}.`,
    );
  return { username, password };
}

function usage(message: string, remedy: string): ClientError {
  return new ClientError("usage", "usage", message, remedy);
}
