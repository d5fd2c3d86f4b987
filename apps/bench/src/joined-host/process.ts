import { silentLogger } from "@wrenn/core";
import { startJoinedHost } from "@wrenn/server";

/** A host that joins a control plane, as a process. Its argument is JSON; it reports its id when control planes can reach it. */
const { dataDirectory, cacheDirectory, port, url, token } = JSON.parse(process.argv[2] ?? "{}") as {
  readonly dataDirectory: string;
  readonly cacheDirectory: string;
  readonly port: number;
  readonly url: string;
  readonly token: string;
};
const joined = await startJoinedHost({
  config: {
    dataDirectory,
    cacheDirectory,
    host: "127.0.0.1",
    port,
    domain: "localhost",
    databaseUrl: undefined,
  },
  join: { url, token },
  logger: silentLogger,
  progress: () => {},
  signal: new AbortController().signal,
});
process.once("disconnect", () => void joined.close("destroy").then(() => process.exit(0)));
process.send?.({ hostId: joined.hostId });
