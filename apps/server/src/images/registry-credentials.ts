import { readFile } from "node:fs/promises";
import { WrennError } from "@wrenn/core";
import type { CredentialLookup, RegistryCredentials } from "@wrenn/oci";

/** Names of Docker Hub in files of Docker; images of it are found as `docker.io`. */
const DOCKER_HUB: ReadonlySet<string> = new Set(["index.docker.io", "registry-1.docker.io", "docker.io"]);

/**
 * Passwords of registries from a file in the format of Docker's `config.json`. It is read for each import, so that changes need no
 * restart. What errors say has nothing of its content.
 *
 * @throws WrennError `operation_failed` when the file cannot be read.
 */
export function fileCredentials(path: string): CredentialLookup {
  return async (registry) => credentialsIn(await readText(path), path).get(registry);
}

/** Of each registry in the file, by its host with its port. */
export function credentialsIn(text: string, path: string): ReadonlyMap<string, RegistryCredentials> {
  const found = new Map<string, RegistryCredentials>();
  for (const [address, entry] of entriesOf(text, path)) {
    const credentials = credentialsOf(entry);
    if (credentials !== undefined) found.set(registryOf(address), credentials);
  }
  return found;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw unusable(
      path,
      error instanceof Error && "code" in error ? String(error.code) : "it cannot be read",
    );
  }
}

function entriesOf(text: string, path: string): readonly (readonly [string, unknown])[] {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    // The error of the parser quotes what is there.
    throw unusable(path, "it is not JSON");
  }
  const auths = fieldOf(content, "auths") ?? {};
  if (typeof auths !== "object") throw unusable(path, "auths is not an object");
  return Object.entries(auths);
}

function credentialsOf(entry: unknown): RegistryCredentials | undefined {
  const token = fieldOf(entry, "registrytoken");
  if (typeof token === "string" && token !== "") return { token };
  const auth = fieldOf(entry, "auth");
  const decoded = typeof auth === "string" ? Buffer.from(auth, "base64").toString("utf8") : "";
  const colon = decoded.indexOf(":");
  if (colon > 0)
    return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, "") };
  const [username, password] = [fieldOf(entry, "username"), fieldOf(entry, "password")];
  return typeof username === "string" && typeof password === "string" ? { username, password } : undefined;
}

/** `https://registry.example.org/v2/` is `registry.example.org`. */
function registryOf(address: string): string {
  const host = address
    .replace(/^https?:\/\//, "")
    .replace(/\/.*$/, "")
    .toLowerCase();
  return DOCKER_HUB.has(host) ? "docker.io" : host;
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

function unusable(path: string, problem: string): WrennError {
  return new WrennError("operation_failed", {
    operation: `reading the credentials of registries in ${path}`,
    problem,
  });
}
