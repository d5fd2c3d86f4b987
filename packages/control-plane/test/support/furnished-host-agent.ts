import { WrennError } from "@wrenn/core";
import type {
  CapsuleFiles,
  CapsuleProcess,
  CapsuleProcesses,
  CapsuleSpec,
  CapsuleStatus,
  CapsuleUploads,
  CheckpointFacts,
  FileEntry,
  NetworkDecision,
  TemplateFacts,
} from "@wrenn/protocol";
import { FakeHostAgent } from "@wrenn/protocol/testing";

/** Of every furnished capsule. */
export const furniture = {
  pid: "7",
  tag: "worker",
  checkpoint: "g1",
  file: "/root/notes",
  upload: `up-${"0".repeat(25)}`,
} as const;

/**
 * A host whose capsules each have a process, a file and a checkpoint, which all name their capsule, and which requests do not use up:
 * a matrix of requests finds them every time.
 */
export class FurnishedHostAgent extends FakeHostAgent {
  override async createCapsule(spec: CapsuleSpec): Promise<CapsuleStatus> {
    const status = { ...(await super.createCapsule(spec)), metadata: { note: `metadata of ${spec.id}` } };
    this.capsules.set(spec.id, status);
    return status;
  }

  override async checkpointCapsule(id: string): Promise<CheckpointFacts> {
    return checkpointOf(id);
  }

  override async listCheckpoints(id: string): Promise<readonly CheckpointFacts[]> {
    return [checkpointOf(id)];
  }

  override async restoreCheckpoint(id: string, checkpoint: string): Promise<CapsuleStatus> {
    requireCheckpoint(checkpoint);
    return await this.capsule(id);
  }

  override async deleteCheckpoint(_id: string, checkpoint: string): Promise<void> {
    requireCheckpoint(checkpoint);
  }

  override async networkDecisions(id: string): Promise<readonly NetworkDecision[]> {
    const subject = `${id}.example.org`;
    return [{ kind: "name", subject, verdict: "denied", reason: "egress", count: 1, at: 0 }];
  }

  /** Templates that tests wrote into the database are here as well. */
  protected override templateOf(name: string): TemplateFacts {
    return { name, sizeBytes: 1, vcpus: 1, memoryMib: 512 };
  }

  override processes(id: string): CapsuleProcesses {
    return processesOf(id);
  }

  override files(id: string): CapsuleFiles {
    return filesOf(id);
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
    recent: async () => [process.facts],
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
    listPage: async () => ({ entries: [entry(furniture.file)] }),
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
    attributes: async (paths) => paths.map(() => ({})),
    setAttributes: async (path) => void (await find(path)),
    read: async (path) => ({ entry: await find(path), bytes: bytes() }),
    write: async (path, given) => {
      // The whole body is taken, as a host does.
      await Array.fromAsync(given);
      return entry(path);
    },
    archive: async () => bytes(),
    watch: async () => (async function* none() {})(),
    uploads: uploadsOf(),
  };
}

function uploadsOf(): CapsuleUploads {
  const state = { path: "/root/upload", size: 10, offset: 4, expiresInMs: 1000 };
  const find = async (upload: string): Promise<typeof state> => {
    if (upload !== furniture.upload) throw new WrennError("upload_not_found", { upload });
    return state;
  };
  return {
    create: async () => state,
    state: find,
    append: async (upload, _offset, given) => {
      await Array.fromAsync(given);
      return await find(upload);
    },
    abandon: async (upload) => void (await find(upload)),
  };
}
