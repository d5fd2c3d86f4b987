import { readFile } from "node:fs/promises";
import { WrennError } from "@wrenn/core";
import { runCommand } from "@wrenn/system";

/** PostgreSQL refuses to run as root; this is who it runs as on a host where we are root. */
const USER = "wrenn-postgres";

export interface ServerUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** The user that the embedded server runs as: a system user of its own, or ourselves when we are not root. */
export async function postgresUser(signal: AbortSignal): Promise<ServerUser> {
  const uid = process.getuid?.() ?? 0;
  if (uid !== 0) {
    const self = (await passwdEntries()).find((entry) => entry.uid === uid);
    if (!self) throw new WrennError("dependency_missing", { what: `a name for user ${uid} in /etc/passwd` });
    return self;
  }
  const known = (await passwdEntries()).find((entry) => entry.name === USER);
  if (known) return known;
  await runCommand(
    [
      "useradd",
      "--system",
      "--no-create-home",
      "--home-dir",
      "/nonexistent",
      "--shell",
      "/usr/sbin/nologin",
      USER,
    ],
    { signal },
  );
  const made = (await passwdEntries()).find((entry) => entry.name === USER);
  if (!made) throw new WrennError("dependency_missing", { what: `the system user ${USER}` });
  return made;
}

async function passwdEntries(): Promise<readonly ServerUser[]> {
  const text = await readFile("/etc/passwd", "utf8");
  return text.split("\n").map((line) => {
    const [name = "", , uid, gid] = line.split(":");
    return { name, uid: Number(uid), gid: Number(gid) };
  });
}
