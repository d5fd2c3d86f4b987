import { createLog, startJoinedHost } from "@wrenn/server";
import { silentLogger } from "@wrenn/core";
import { chosenAccelerator } from "./chosen-accelerator.ts";

/**
 * A host agent as a process of its own, for tests that cut, kill and restart it. Its arguments are JSON: where it keeps things,
 * where it listens and how it joins. Prints its id when control planes can reach it.
 */
const { dataDirectory, host, port, url, token } = JSON.parse(process.argv[2] ?? "{}") as {
  readonly dataDirectory: string;
  readonly host: string;
  readonly port: number;
  readonly url: string;
  readonly token?: string;
};
const joined = await startJoinedHost({
  config: {
    dataDirectory,
    cacheDirectory: process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn",
    host,
    port,
    domain: "localhost",
    databaseUrl: undefined,
    accelerator: await chosenAccelerator(),
    warmMachines: 0,
    parkedMachines: 0,
  },
  // Its cable to the control plane is on this machine.
  join: { url, token, plainHttp: true },
  logger: process.env["WRENN_TEST_LOG"] === undefined ? silentLogger : createLog("text", "debug"),
  progress: () => {},
  beatMs: 1000,
  signal: new AbortController().signal,
});
const end = (): void => void joined.close("destroy").then(() => process.exit(0));
process.once("SIGTERM", end);
void joined.deleted.then(end);
process.stdout.write(`${JSON.stringify({ hostId: joined.hostId })}\n`);
