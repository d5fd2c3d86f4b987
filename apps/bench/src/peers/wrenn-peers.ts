import { listMachines } from "@wrenn/vmm";
import { startOwnServer } from "../own-server.ts";
import { timed } from "../row.ts";
import { machineWaits } from "../rows/prepared.ts";
import type { ApiContext, BenchContext } from "../row.ts";
import { transferFile } from "../transfer/transfer-file.ts";
import { noWayIn } from "./command-peers.ts";
import { untilCapsulePrints } from "./first-output.ts";
import { onlyStarts, PEER_TRANSFER_BYTES } from "./peer.ts";
import type { Peer, PeerMachine } from "./peer.ts";
import { memoryOfTree } from "./processes.ts";

const OWN_KERNEL =
  "own kernel in a virtual machine, in a jail of namespaces, cgroups and a system call filter";

/** What Wrenn's own peers measure against. */
export type PeerContext = Pick<BenchContext, "server" | "api" | "signal">;

/** Capsules of the server that is measured, in which no machine waits. */
export function capsulePeer(context: PeerContext): Peer {
  return {
    name: "Wrenn, no machine waiting",
    isolates: OWN_KERNEL,
    isWrenn: true,
    needs: [],
    lacks: {},
    open: async () => ({
      start: async () => await startCapsule(context, context.signal),
      dispose: async () => {},
    }),
  };
}

/** Capsules of a server that keeps one warmed machine, as it is when it was idle before. */
export function pooledCapsulePeer(): Peer {
  const reason = "one machine waits: measured without waiting machines";
  return {
    name: "Wrenn, warmed machine waiting",
    isolates: OWN_KERNEL,
    isWrenn: true,
    needs: [],
    lacks: { ...onlyStarts(reason), tenAtOnce: reason, idleMemory: reason, destroy: reason },
    open: async (signal) => {
      const own = await startOwnServer({ warmMachines: 1 }, signal);
      return {
        start: async (stop) => {
          await machineWaits(own.server, stop);
          return await startCapsule(own, stop);
        },
        dispose: own.close,
      };
    },
  };
}

/** The same template as a virtual machine without frozen memory: its kernel boots from its disk. */
export function coldBootPeer(context: PeerContext): Peer {
  const reason = "as a capsule that was not booted";
  return {
    name: "QEMU, cold boot",
    isolates: OWN_KERNEL,
    needs: [],
    lacks: {
      ...onlyStarts(reason),
      tenAtOnce: "one machine is booted again and again",
      idleMemory: reason,
      destroy: reason,
    },
    open: async () => {
      const { api } = context;
      const { id } = await api<{ id: string }>("POST", "/v1/capsules", {});
      const path = `/v1/capsules/${id}`;
      const toDisk = async (): Promise<void> => void (await api("POST", `${path}/pause`, { memory: false }));
      await toDisk();
      return {
        start: async (signal) => {
          const ms = await timed(async () => {
            await api("POST", `${path}/resume`);
            await untilCapsulePrints(context, id);
          });
          return { ms, machine: { ...noWayIn, memoryMiB: () => capsuleMemory(id, signal), end: toDisk } };
        },
        dispose: async () => void (await api("DELETE", path)),
      };
    },
  };
}

async function startCapsule(
  context: ApiContext,
  signal: AbortSignal,
): Promise<{ readonly ms: number; readonly machine: PeerMachine }> {
  let id = "";
  const ms = await timed(async () => {
    ({ id } = await context.api<{ id: string }>("POST", "/v1/capsules", {}));
    await untilCapsulePrints(context, id);
  });
  return { ms, machine: capsuleMachine(context, id, signal) };
}

function capsuleMachine(context: ApiContext, id: string, signal: AbortSignal): PeerMachine {
  const { api } = context;
  const path = `/v1/capsules/${id}`;
  const file = { path, name: "/root/transfer", bytes: PEER_TRANSFER_BYTES };
  return {
    exec: async () => await timed(() => untilCapsulePrints(context, id)),
    upload: async () => await transferFile(context.server, "up", file, signal),
    download: async () => await transferFile(context.server, "down", file, signal),
    pauseAndResume: async () =>
      await timed(async () => {
        await api("POST", `${path}/pause`);
        await api("POST", `${path}/resume`);
        await untilCapsulePrints(context, id);
      }),
    memoryMiB: async () => await capsuleMemory(id, signal),
    end: async () => void (await api("DELETE", path)),
  };
}

/** Of the machine and its supervisor. What all capsules share, such as the server, is not counted. */
async function capsuleMemory(id: string, signal: AbortSignal): Promise<number> {
  signal.throwIfAborted();
  const machine = (await listMachines()).find(({ directory }) => directory.split("/").includes(id));
  if (!machine) throw new Error(`${id} has no machine`);
  return await memoryOfTree(machine.supervisor.pid);
}
