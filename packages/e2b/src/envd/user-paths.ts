import type { EnvdSandbox } from "./envd-sandbox.ts";

/** The path that a client means: an empty one is the default directory. The guest resolves `~` and relative ones itself. */
export function pathOf(path: string, sandbox: EnvdSandbox): string {
  if (path === "") return sandbox.defaultDirectory ?? "~";
  return path;
}

const BASIC = /^basic +([A-Za-z0-9+/=]+)$/i;

/** The user whom Basic authorization names, whatever the password; undefined for the default user. */
export function basicUserOf(authorization: string | null | undefined): string | undefined {
  const [, credentials] = BASIC.exec(authorization?.trim() ?? "") ?? [];
  if (credentials === undefined) return undefined;
  const [user = ""] = Buffer.from(credentials, "base64").toString().split(":");
  return user === "" ? undefined : user;
}
