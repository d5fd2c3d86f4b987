import { WrennError } from "@wrenn/core";
import { dataDirectoryOf, findServer, localServerFiles, readFileIfPresent } from "@wrenn/system";
import { e2bVariables } from "../client/e2b-variables.ts";
import { CommandExit } from "../command-exit.ts";
import { checkE2bEnvironment } from "../client/check-e2b-environment.ts";

/**
 * Prints the environment of clients of E2B for the server of this machine, as lines for a shell; the key is read from its file when they
 * are evaluated. With `http` they are those for plain HTTP also where the server has a domain with TLS. With `check` it tests the
 * environment that is there; the exit code is 1 when something is wrong.
 *
 * @throws WrennError `dependency_missing` when no server runs, or one that was not started with `--e2b`.
 */
export async function e2bEnv({
  check = false,
  http = false,
}: {
  readonly check?: boolean;
  readonly http?: boolean;
}): Promise<void> {
  if (check) {
    const problems = await checkE2bEnvironment(process.env);
    process.stdout.write(
      problems.length === 0
        ? "Clients of E2B work with this environment.\n"
        : problems.map((one) => `${one}\n`).join(""),
    );
    if (problems.length > 0) throw new CommandExit(1);
    return;
  }
  const paths = localServerFiles(dataDirectoryOf(process.env));
  const server = await findServer(paths.serverRecord);
  if (!server)
    throw new WrennError("dependency_missing", { what: "a running server of this data directory" });
  if ((await readFileIfPresent(paths.e2bKey)) === undefined)
    throw new WrennError("dependency_missing", {
      what: `${paths.e2bKey}, which a server that is started with --e2b writes`,
    });
  const { url, secureDomain } = server;
  process.stdout.write(
    e2bVariables({ url, ...(!http && secureDomain ? { secureDomain } : {}) }, paths.e2bKey),
  );
}
