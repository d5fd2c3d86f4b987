import { WrennError } from "@wrenn/core";
import type {
  CapsuleFiles,
  CapsuleProcess,
  CapsuleProcesses,
  CapsuleSpec,
  CapsuleStatus,
  CheckpointFacts,
  FileEntry,
  HostAgent,
} from "@wrenn/protocol";
import { FakeHostAgent } from "./fake-host-agent.ts";

/** Of every furnished capsule. */
export const furniture = { pid: "7", tag: "worker", checkpoint: "g1", file: "/root/notes" } as const;

/** A host whose capsules each have a process, a file and a checkpoint, which all name their capsule. */
export class FurnishedHostAgent extends FakeHostAgent {
  override checkpointCapsule: HostAgent["checkpointCapsule"] = async (id) => checkpointOf(id);
  override listCheckpoints: HostAgent["listCheckpoints"] = async (id) => [checkpointOf(id)];
  override restoreCheckpoint: HostAgent["restoreCheckpoint"] = async (id, checkpoint) => {
    requireCheckpoint(checkpoint);
    return await this.capsule(id);
  };
  override deleteCheckpoint: HostAgent["deleteCheckpoint"] = async (_id, checkpoint) =>
    requireCheckpoint(checkpoint);
  override forkCapsule: HostAgent["forkCapsule"] = async (_id, children) =>
    await Promise.all(children.map((child) => this.createCapsule(child)));
  override createSnapshot: HostAgent["createSnapshot"] = async (_id, key) => ({
    name: key,
    sizeBytes: 1,
    vcpus: 1,
    memoryMib: 512,
  });
  override deleteSnapshot: HostAgent["deleteSnapshot"] = async () => undefined;
  override networkDecisions: HostAgent["networkDecisions"] = async (id) => [
    { kind: "name", subject: `${id}.example.org`, verdict: "denied", reason: "egress", count: 1, at: 0 },
  ];
  override processes: HostAgent["processes"] = (id) => processesOf(id);
  override files: HostAgent["files"] = (id) => filesOf(id);

  override async createCapsule(spec: CapsuleSpec): Promise<CapsuleStatus> {
    const status = { ...(await super.createCapsule(spec)), metadata: { note: `metadata of ${spec.id}` } };
    this.capsules.set(spec.id, status);
    return status;
  }
}

function checkpointOf(id: string): CheckpointFacts {
  return {
    id: furniture.checkpoint,
    kind: "checkpoint",
    name: `checkpoint-of-${id}`,
    createdAt: 0,
    memoryBytes: 1,
  };
}

function requireCheckpoint(checkpoint: string): void {
  if (checkpoint !== furniture.checkpoint) throw new WrennError("checkpoint_not_found", { checkpoint });
}

function processesOf(id: string): CapsuleProcesses {
  const exit = { exitCode: 0 };
  const printed = Buffer.from(`output of ${id}`);
  const process: CapsuleProcess = {
    facts: { pid: 7, tag: furniture.tag, cmd: `program-of-${id}`, args: [], terminal: false, startedAt: 0 },
    output: async function* output() {
      yield { type: "data", stream: "stdout", offset: 0, bytes: printed };
      yield { type: "exit", exit };
    },
    held: async () => ({
      stdout: { offset: 0, bytes: printed },
      stderr: { offset: 0, bytes: new Uint8Array() },
    }),
    wait: async () => exit,
    write: async () => undefined,
    closeInput: async () => undefined,
    kill: async () => undefined,
    resize: async () => undefined,
  };
  return {
    start: async () => process,
    find: async (selector) => {
      if (selector === furniture.pid || selector === furniture.tag) return process;
      throw new WrennError("process_not_found", { selector });
    },
    list: async () => [process.facts],
  };
}

function filesOf(id: string): CapsuleFiles {
  const content = Buffer.from(`notes of ${id}`);
  const entry = (path: string): FileEntry => ({
    name: path.split("/").at(-1) ?? "",
    path,
    type: "file",
    mode: 0o644,
    owner: "root",
    group: "root",
    uid: 0,
    gid: 0,
    size: content.length,
    modifiedNs: 0n,
    inode: 1n,
  });
  const find = async (path: string): Promise<FileEntry> => {
    if (path !== furniture.file) throw new WrennError("path_not_found", { path });
    return entry(path);
  };
  const bytes = async function* bytes(): AsyncGenerator<Uint8Array> {
    yield content;
  };
  return {
    stat: find,
    list: async () => [entry(furniture.file)],
    makeDirectory: async (path) => ({ ...entry(path), type: "directory" }),
    remove: async (path) => void (await find(path)),
    move: async (source, destination) => {
      await find(source);
      return entry(destination);
    },
    copy: async (source, destination) => {
      await find(source);
      return entry(destination);
    },
    changeMode: find,
    read: async (path) => ({ entry: await find(path), bytes: bytes() }),
    write: async (path, given) => {
      // The whole body is taken, as a host does.
      await Array.fromAsync(given);
      return entry(path);
    },
    archive: async () => bytes(),
    watch: async () => (async function* none() {})(),
  };
}
