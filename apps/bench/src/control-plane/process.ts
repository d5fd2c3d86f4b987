import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createControlPlane, ensureFirstTeam } from "@wrenn/control-plane";
import { formatId, silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { capsuleQueries, openDatabase } from "@wrenn/database";
import type { CapsuleSpec, CapsuleStatus, HostAgent } from "@wrenn/protocol";
import { createLog } from "@wrenn/server";
import { runCommand } from "@wrenn/system";

/**
 * A control plane in a process of its own, on a database of its own, with a host that does everything at once: what is measured
 * is the control plane. Arguments: directory of the database, cache directory, folder of the built dashboard where one is served.
 */
const [directory = "", cacheDirectory = "", dashboard] = process.argv.slice(2);
const NO_LIMIT = 1_000_000;
/** One client is all there is: requests are counted and none is refused. */
const countedOnly = { burst: NO_LIMIT, everyMs: 0.001 };

const capsules = new Map<string, CapsuleStatus>();
function run({
  id,
  template,
  vcpus,
  memoryMib,
}: Pick<CapsuleSpec, "id" | "template" | "vcpus" | "memoryMib">): CapsuleStatus {
  const status = { id, state: "running", template, vcpus, memoryMib, lastActiveAt: 0, metadata: {} } as const;
  capsules.set(id, status);
  return status;
}
const methods: Readonly<Record<string, unknown>> = {
  onChange: () => () => undefined,
  onListeners: () => () => undefined,
  hold: () => () => undefined,
  facts: async () => ({
    version: "0.0.0",
    architecture: "amd64",
    cpuCores: NO_LIMIT,
    memoryMib: NO_LIMIT * 1024,
    diskGb: NO_LIMIT,
    accelerator: "none",
  }),
  listTemplates: async () => [{ name: "minimal", sizeBytes: 1, vcpus: 1, memoryMib: 512 }],
  storage: async () => ({ capsules: [], layers: [] }),
  listCapsules: async () => [...capsules.values()],
  allowWaiting: async () => ({ count: 0, memoryBytes: 0 }),
  createCapsule: async (spec: CapsuleSpec) => run(spec),
  destroyCapsule: async (id: string) => void capsules.delete(id),
};
const agent = new Proxy({} as HostAgent, { get: (_target, method: string) => methods[method] });

const database = await openDatabase(
  { directory, cacheDirectory, logger: silentLogger },
  AbortSignal.timeout(120_000),
);
// The server of the database was started before, and keeps every core.
await runCommand(["taskset", "--all-tasks", "--cpu-list", "--pid", "0", String(process.pid)]);
const { apiKey = "" } = await ensureFirstTeam(database, systemRandom);
await database.db
  .updateTable("teams")
  .set({ max_capsules: NO_LIMIT, max_vcpus: NO_LIMIT, max_memory_mb: 2_000_000_000 })
  .execute();
const hostId = systemRandom.uuid();
let firstAdminToken: string | undefined;
const controlPlane = await createControlPlane({
  database,
  instanceId: systemRandom.uuid(),
  localHost: { id: hostId, agent },
  rates: { perKey: countedOnly, perAddress: countedOnly, creates: countedOnly },
  edge: {
    portOrigin: () => ({ scheme: "http", domain: "localhost", port: 80 }),
    portUrl: () => "",
    portLink: () => "",
    portEntrance: () => "",
    openPort: async () => await Promise.reject(new Error("there are no ports")),
  },
  dashboard,
  keepFirstAdminToken: async (token) => void (firstAdminToken = token),
  clock: systemClock,
  // As a server of a quiet machine is run: each request is a line.
  logger: createLog("json", "info"),
  random: systemRandom,
  version: "0.0.0",
  publicUrl: "http://localhost",
});

/** As many running capsules as a large team has, written at once; each hundredth is of the same group. */
const FILLED = 10_000;
const BATCH = 500;
async function fill(): Promise<void> {
  const { team_id: teamId } = await database.db
    .selectFrom("api_keys")
    .select("team_id")
    .executeTakeFirstOrThrow();
  const sizes = { template: "minimal", vcpus: 1, memoryMib: 512, diskMib: 5120, timeoutSec: 0 };
  for (let from = 0; from < FILLED; from += BATCH) {
    const batch = Array.from({ length: BATCH }, (_, at) => ({
      ...sizes,
      id: systemRandom.uuid(),
      teamId,
      hostId,
      metadata: { group: String((from + at) % 100), number: String(from + at) },
    }));
    // Known to the host before it is asked for them.
    for (const { id } of batch) run({ ...sizes, id: formatId("capsule", id) });
    await capsuleQueries.insertCapsules(database.db, batch);
  }
  await database.db.updateTable("sandboxes").set({ status: "running" }).execute();
}

const server = createServer(controlPlane.handlers.request);
server.listen(0, "127.0.0.1", () => {
  process.send?.({ port: (server.address() as AddressInfo).port, apiKey, firstAdminToken });
});
process.on("message", (message) => {
  if (message === "cpu") process.send?.({ cpuMs: cpuMs() });
  if (message === "fill") void fill().then(() => process.send?.({ filled: FILLED }));
  if (message === "memory") process.send?.({ memoryMiB: process.memoryUsage.rss() / (1 << 20) });
});
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
process.once("disconnect", () => {
  server.closeAllConnections();
  void controlPlane
    .close()
    .then(() => database.close())
    .then(() => process.exit(0));
});
