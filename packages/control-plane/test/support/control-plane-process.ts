import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createControlPlane } from "@wrenn/control-plane";
import { silentLogger, systemClock, systemRandom, WrennError } from "@wrenn/core";
import { openDatabase } from "@wrenn/database";
import type { HostAgent } from "@wrenn/protocol";

/**
 * A control plane as a process of its own that its parent may kill. Its host is in the parent, and asked by messages, so that it
 * lives on. Arguments: connection string of the database, UUID of the host and of the control plane.
 */
const [databaseUrl = "", hostId = "", instanceId = ""] = process.argv.slice(2);

const waiting = new Map<number, PromiseWithResolvers<unknown>>();
let asked = 0;
process.on(
  "message",
  (answer: { readonly seq: number; readonly value?: unknown; readonly problem?: string }) => {
    const waiter = waiting.get(answer.seq);
    waiting.delete(answer.seq);
    if (answer.problem === undefined) waiter?.resolve(answer.value);
    else waiter?.reject(new WrennError("operation_failed", { operation: "this", problem: answer.problem }));
  },
);
// Without its parent it has nothing to do.
process.once("disconnect", () => process.exit(1));

const local: Readonly<Record<string, unknown>> = {
  // An agent is no promise, though it answers to every name.
  // oxlint-disable-next-line unicorn/no-thenable
  then: undefined,
  onChange: () => () => undefined,
  onListeners: () => () => undefined,
  hold: () => () => undefined,
};
const agent = new Proxy({} as HostAgent, {
  get: (_target, method: string) =>
    method in local
      ? local[method]
      : async (...args: readonly unknown[]) => {
          const seq = asked++;
          const answer = Promise.withResolvers<unknown>();
          waiting.set(seq, answer);
          process.send?.({ seq, method, args: args.filter((one) => !(one instanceof AbortSignal)) });
          return await answer.promise;
        },
});

const unused = { directory: "/nonexistent", cacheDirectory: "/nonexistent" };
const controlPlane = await createControlPlane({
  database: await openDatabase({ ...unused, databaseUrl, logger: silentLogger }, AbortSignal.timeout(60_000)),
  instanceId,
  localHost: { id: hostId, agent },
  times: { everyMs: 200, silentMs: 30_000, leaseMs: 20_000, answerMs: 5000 },
  edge: {
    portOrigin: () => ({ scheme: "http", domain: "localhost", port: 8080 }),
    portUrl: () => "http://unused",
    portLink: () => "http://unused",
    portEntrance: () => "http://unused",
    openPort: async () => await Promise.reject(new Error("there are no ports")),
  },
  clock: systemClock,
  logger: silentLogger,
  random: systemRandom,
  version: "0.0.0",
  publicUrl: "https://wrenn.example.org",
});
const server = createServer(controlPlane.handlers.request);
server.listen(0, "127.0.0.1", () => {
  process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
});
