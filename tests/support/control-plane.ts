import { silentLogger } from "@wrenn/core";
import { createLog, startControlPlane } from "@wrenn/server";
import { writeHeldMemory } from "./held-memory.ts";

/**
 * A control plane without a host as a process of its own. Its arguments are JSON. Prints its address and key when it is ready. Says how
 * much memory it holds at SIGUSR2 (see `heldMib`).
 */
const { dataDirectory, databaseUrl, port, tls } = JSON.parse(process.argv[2] ?? "{}") as {
  readonly dataDirectory: string;
  readonly databaseUrl: string;
  readonly port: number;
  /** Serves HTTPS at any port, too. */
  readonly tls?: boolean;
};
const controlPlane = await startControlPlane({
  config: {
    dataDirectory,
    cacheDirectory: process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn",
    host: "0.0.0.0",
    port,
    domain: "localhost",
    // Hosts of teams are on this machine, too.
    hostNetworks: ["127.0.0.1"],
    databaseUrl,
    ...(tls === true && { tls: { host: "127.0.0.1", port: 0 } }),
  },
  logger: process.env["WRENN_TEST_LOG"] === undefined ? silentLogger : createLog("text", "debug"),
  progress: () => {},
  signal: new AbortController().signal,
  times: { everyMs: 500, silentMs: 5000, leaseMs: 4000, answerMs: 5000 },
});
process.on("SIGUSR2", () => writeHeldMemory(dataDirectory));
process.once("SIGTERM", () => {
  void controlPlane.close("destroy").then(() => process.exit(0));
});
process.stdout.write(
  `${JSON.stringify({ url: controlPlane.url, apiKey: controlPlane.apiKey, secureUrl: controlPlane.secure?.url })}\n`,
);
