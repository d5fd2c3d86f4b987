import { spawn } from "node:child_process";
import { once } from "node:events";
import { chown, glob, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { runCommand } from "@wrenn/system";

/** Where Debian's PostgreSQL packages put the programs of each version. */
const PROGRAMS = "/usr/lib/postgresql/*/bin";
/** Made by the same packages; the server refuses to run as root. */
const USER = "postgres";
/** Names the socket only: the server listens on no network. */
const PORT = 54_320;
const READY_MS = 60_000;
const POLL_MS = 50;
const PG_ISREADY_OK = "accepting connections";

/** A PostgreSQL of the distribution that belongs to one test run; the system's own service is not touched. */
export interface PrivatePostgres extends AsyncDisposable {
  /** Connection string of a superuser. */
  readonly url: string;
}

/**
 * Makes a cluster in a directory of its own and serves it on a unix socket there. A crash of the machine may spoil it, which
 * is why it is fast.
 *
 * @throws WrennError `dependency_missing` without the Debian package, `operation_failed` when it does not start.
 */
export async function startPrivatePostgres(): Promise<PrivatePostgres> {
  await using release = new AsyncDisposableStack();
  const programs = (await Array.fromAsync(glob(PROGRAMS))).sort(byVersion).at(-1);
  if (programs === undefined) throw new WrennError("dependency_missing", { what: "PostgreSQL (postgresql)" });
  const [uid, gid] = [await idOf("-u"), await idOf("-g")];
  const directory = await mkdtemp("/tmp/wrenn-postgres-");
  release.defer(() => rm(directory, { recursive: true, force: true }));
  await chown(directory, uid, gid);
  const data = join(directory, "data");
  await runCommand(
    [
      join(programs, "initdb"),
      `--pgdata=${data}`,
      `--username=${USER}`,
      "--auth=trust",
      "--encoding=UTF8",
      "--locale=C",
      "--no-sync",
    ],
    { uid, gid, cwd: "/", env: { PATH: "/usr/bin:/bin", LC_ALL: "C" } },
  );
  const settings = ["listen_addresses=", "fsync=off", "max_connections=200", "log_min_messages=fatal"];
  // In our process group: a Ctrl-C ends it as well, as a fast shutdown.
  const server = spawn(
    join(programs, "postgres"),
    ["-D", data, "-k", directory, "-p", String(PORT), ...settings.flatMap((setting) => ["-c", setting])],
    { uid, gid, cwd: "/", stdio: "ignore", env: { PATH: "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" } },
  );
  const ended = once(server, "exit");
  release.defer(async () => {
    if (server.exitCode === null && server.signalCode === null) server.kill("SIGINT");
    await ended;
  });
  await untilReady(join(programs, "pg_isready"), directory, () => server.exitCode !== null);
  const url = new URL("postgresql://localhost/postgres");
  url.searchParams.set("host", directory);
  url.searchParams.set("port", String(PORT));
  url.searchParams.set("user", USER);
  const owned = release.move();
  return { url: url.href, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function untilReady(program: string, directory: string, isOver: () => boolean): Promise<void> {
  const deadline = performance.now() + READY_MS;
  for (;;) {
    const answer = await runCommand([program, "-h", directory, "-p", String(PORT)]).then(
      ({ stdout }) => stdout,
      () => "",
    );
    if (answer.includes(PG_ISREADY_OK)) return;
    if (isOver() || performance.now() > deadline)
      throw new WrennError("operation_failed", {
        operation: "starting PostgreSQL for the tests",
        problem: isOver() ? "it ended" : "it did not become ready",
      });
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function idOf(flag: "-u" | "-g"): Promise<number> {
  return Number((await runCommand(["id", flag, USER])).stdout.trim());
}

function byVersion(one: string, other: string): number {
  return Number(one.split("/")[4]) - Number(other.split("/")[4]);
}
