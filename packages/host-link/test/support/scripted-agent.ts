import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { once } from "node:events";
import { WrennError } from "@wrenn/core";
import type {
  CapsuleProcess,
  CapsuleStatus,
  FileChange,
  FileEntry,
  HostAgent,
  OutputEvent,
} from "@wrenn/protocol";

export const running: CapsuleStatus = {
  id: "cl-1",
  state: "running",
  template: "minimal",
  vcpus: 1,
  memoryMib: 512,
  hostAddress: "10.11.0.1",
  lastActiveAt: 5,
  metadata: { vmm: "none" },
};

const entry: FileEntry = {
  name: "a\udc80",
  path: "/a\udc80",
  type: "file",
  mode: 0o644,
  owner: "root",
  group: "root",
  uid: 0,
  gid: 0,
  size: 3,
  modifiedNs: 1_700_000_000_123_456_789n,
  inode: 2n ** 60n,
};

/** A host agent whose answers are the test's; everything it is asked is kept. */
export class ScriptedAgent {
  readonly asked: unknown[][] = [];
  readonly observers = new Set<(status: CapsuleStatus) => void>();
  readonly stored = new Map<string, Buffer>();
  holds = 0;
  /** Capsules it lists. */
  present: CapsuleStatus[] = [running];
  /** What reading a file gives. */
  content: () => AsyncIterable<Uint8Array> = () => chunks(["abc"]);
  output: (signal: AbortSignal) => AsyncIterable<OutputEvent> = () => events([]);
  changes: (signal: AbortSignal) => AsyncIterable<FileChange> = () => events([]);
  /** Aborts of calls that were waiting. */
  aborted = 0;

  readonly agent: HostAgent;

  constructor() {
    const note =
      <T>(name: string, value: T) =>
      async (...args: unknown[]): Promise<T> => {
        this.asked.push([name, ...args.filter((arg) => !(arg instanceof AbortSignal)).map(withoutSignal)]);
        return value;
      };
    const refuse = async (): Promise<never> => {
      throw new WrennError("capsule_not_running", { status: "paused" });
    };
    const process = (pid: number): CapsuleProcess => ({
      facts: { pid, cmd: "sh", args: ["-c", "true"], terminal: false, startedAt: 77 },
      output: (from, signal) => {
        this.asked.push(["output", from]);
        return this.output(signal);
      },
      held: async () => {
        return {
          stdout: { offset: 3, bytes: Uint8Array.of(0, 255) },
          stderr: { offset: 0, bytes: new Uint8Array(0) },
        };
      },
      wait: async (signal) => {
        await once(signal, "abort").finally(() => this.aborted++);
        throw signal.reason;
      },
      write: note("write", undefined),
      closeInput: note("closeInput", undefined),
      kill: note("kill", undefined),
      resize: refuse,
    });
    this.agent = {
      facts: note("facts", {
        version: "1",
        architecture: "amd64",
        cpuCores: 2,
        memoryMib: 1024,
        diskGb: 10,
        accelerator: "tcg" as const,
      }),
      createCapsule: note("createCapsule", running),
      destroyCapsule: note("destroyCapsule", undefined),
      capsule: note("capsule", running),
      pauseCapsule: refuse,
      resumeCapsule: note("resumeCapsule", running),
      checkpointCapsule: note("checkpointCapsule", {
        id: "ck-1",
        kind: "checkpoint" as const,
        createdAt: 1,
        memoryBytes: 2,
      }),
      listCheckpoints: note("listCheckpoints", []),
      restoreCheckpoint: note("restoreCheckpoint", running),
      deleteCheckpoint: note("deleteCheckpoint", undefined),
      forkCapsule: note("forkCapsule", [running]),
      createSnapshot: note("createSnapshot", { name: "t", sizeBytes: 1, vcpus: 1, memoryMib: 2 }),
      deleteSnapshot: note("deleteSnapshot", undefined),
      setNetwork: note("setNetwork", undefined),
      networkDecisions: note("networkDecisions", []),
      metrics: note("metrics", [{ timestamp: 1, cpuPercent: 0.5, memoryBytes: 1, diskBytes: 2 }]),
      listCapsules: async () => this.present,
      listTemplates: note("listTemplates", []),
      hold: () => {
        this.holds++;
        return () => void this.holds--;
      },
      dial: async (_id, port, { halfOpen }) => {
        const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: halfOpen });
        await once(socket, "connect");
        return socket;
      },
      onChange: (observer) => {
        this.observers.add(observer);
        return () => this.observers.delete(observer);
      },
      processes: () => ({
        start: async (request) => {
          this.asked.push(["start", request]);
          return process(7);
        },
        find: async (selector) => {
          if (selector !== "7") throw new WrennError("process_not_found", { selector });
          return process(7);
        },
        list: async () => [process(7).facts],
      }),
      files: () => ({
        stat: note("stat", entry),
        list: note("list", [entry, entry]),
        makeDirectory: note("makeDirectory", entry),
        remove: note("remove", undefined),
        move: note("move", entry),
        copy: note("copy", entry),
        changeMode: note("changeMode", entry),
        read: async () => ({ entry, bytes: this.content() }),
        write: async (path, content) => {
          const parts: Uint8Array[] = [];
          for await (const part of content) parts.push(Buffer.from(part));
          this.stored.set(path, Buffer.concat(parts));
          return entry;
        },
        archive: async () => this.content(),
        watch: async (_path, { signal }) => this.changes(signal),
      }),
    };
  }
}

export async function* chunks(parts: readonly (string | Uint8Array | Error)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield typeof part === "string" ? Buffer.from(part) : part;
  }
}

export async function* events<T>(list: readonly T[]): AsyncGenerator<T> {
  yield* list;
}

function withoutSignal(value: unknown): unknown {
  if (typeof value !== "object" || value === null || !("signal" in value)) return value;
  const { signal: _signal, ...rest } = value;
  return rest;
}

/** A TCP service on loopback. */
export async function service(
  handle: (socket: Socket) => void,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    handle(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
