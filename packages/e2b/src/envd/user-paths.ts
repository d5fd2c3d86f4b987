import { posix } from "node:path";
import type { EnvdSandbox } from "./envd-sandbox.ts";

/**
 * The path that a client means, without detours: entries show it as it is. An empty one is the default directory. The guest puts the
 * home before `~` and relative ones; those that lead out of it are left to the guest.
 */
export function pathOf(path: string, sandbox: EnvdSandbox): string {
  if (path === "") return sandbox.defaultDirectory ?? "~";
  if (path.startsWith("/")) return withoutSlash(posix.normalize(path));
  const below = withoutSlash(posix.normalize(path.replace(/^~(?=\/|$)\/*/, "./")));
  if (below === "." || below === "./") return "~";
  return below === ".." || below.startsWith("../") ? path : `~/${below}`;
}

function withoutSlash(path: string): string {
  return path.replace(/(?<=.)\/$/, "");
}

const BASIC = /^basic +([A-Za-z0-9+/=]+)$/i;

/** The user whom Basic authorization names, whatever the password; undefined for the default user. */
export function basicUserOf(authorization: string | null | undefined): string | undefined {
  const [, credentials] = BASIC.exec(authorization?.trim() ?? "") ?? [];
  if (credentials === undefined) return undefined;
  const [user = ""] = Buffer.from(credentials, "base64").toString().split(":");
  return user === "" ? undefined : user;
}
