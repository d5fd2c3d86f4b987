import { newId, silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { ClientConnections, createEdge, defaultListenerLimits, listenEdge } from "@wrenn/edge";

/**
 * An edge in a process of its own, in front of one capsule that is the loopback interface: what its process takes is the
 * edge's. Tells where it listens, and when it is asked its memory.
 */
const DOMAIN = "localhost";
const id = newId("capsule", systemRandom);
const edge = createEdge({
  domains: [DOMAIN],
  capsules: {
    find: async (asked) =>
      asked === id
        ? {
            owner: "team",
            status: "running",
            address: "127.0.0.1",
            autoResume: false,
            publicPorts: "all",
          }
        : undefined,
    resume: async () => undefined,
  },
  credentials: {
    apiKey: async () => undefined,
    bearer: async () => undefined,
    session: async () => undefined,
    link: async () => undefined,
    publicPort: () => ({ hold: () => () => undefined }),
  },
  linkKey: systemRandom.bytes(32),
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
});
const server = await listenEdge({
  edge,
  host: "127.0.0.1",
  port: 0,
  // The load comes from one address, and without credentials.
  connections: new ClientConnections({ ...defaultListenerLimits, perNetwork: 100_000 }, systemClock),
  clock: systemClock,
  random: systemRandom,
});
process.on("message", () => process.send?.({ kib: process.memoryUsage.rss() / 1024 }));
process.once("disconnect", () => process.exit(0));
process.send?.({ port: server.port, domain: `${id}.${DOMAIN}` });
