import { lchown, mkdir, readFile, rm, stat } from "node:fs/promises";
import type { Socket } from "node:net";
import { basename, dirname, join } from "node:path";
import { WrennError } from "@wrenn/core";
import { identifyProcess, isAlive, sealFile, signalProcess, tryCommand } from "@wrenn/system";
import type { ProcessIdentity, RunProgram } from "@wrenn/system";
import { dialMachine } from "../descriptors/machine-socket.ts";
import { pageServerOwner } from "./orphan-machines.ts";
import { startJailed } from "./start-jailed.ts";

/** The socket of the host agent, beside that of the machine. */
const OWNER_SOCKET = "owner.sock";
/** Written by the jail: the program's pid and start time. */
const PROCESS_FILE = "machine.json";
/** What the program needs beside its tables. */
const PROGRAM_MIB = 64;
/** Its tables take at most 62 bytes for a page of 4,096; twice that is its limit. */
const TABLES_PER_MEMORY = 32;
/** A process that was killed is gone within milliseconds; on a busy host it takes longer. */
const END_MS = 10_000;
const END_STEP_MS = 1;

/** The native programs of a page server, and what starts them. */
export interface PageServerPrograms {
  /** Program of native/jail. */
  readonly jail: string;
  /** Program of native/page-server. */
  readonly pageServer: string;
  /** Runs the jail; without it, this process starts it. */
  readonly run?: RunProgram;
}

export interface PageServerSpec {
  /** Memory files, of root alone; the program reads them. */
  readonly files: readonly string[];
  /** The machine's socket. The program owns the socket's directory, which is made. */
  readonly socket: string;
  readonly machineUid: number;
  readonly serverUid: number;
  readonly memoryMib: number;
}

/** A page server that runs, and the connection to it. */
export interface JailedPageServer {
  readonly connection: Socket;
  readonly process: ProcessIdentity;
  /** Kills the program and removes its directory. Idempotent. */
  end(): Promise<void>;
}

/**
 * Starts the page server of one machine: as a user of its own, without files, devices or a network. Only the machine's user and root
 * reach its sockets. It ends when this process does.
 *
 * @throws WrennError `machine_start_failed`, `operation_failed`; nothing is left then.
 */
export async function startJailedPageServer(
  { jail, pageServer, run = tryCommand }: PageServerPrograms,
  { files, socket, machineUid, serverUid, memoryMib }: PageServerSpec,
  signal: AbortSignal,
): Promise<JailedPageServer> {
  const directory = dirname(socket);
  await using undo = new AsyncDisposableStack();
  await Promise.all([removeEarlier(directory), ...files.map(takeOver)]);
  undo.defer(() => rm(directory, { recursive: true, force: true }));
  await mkdir(directory, { mode: 0o700 });
  const limitMib = PROGRAM_MIB + Math.ceil(memoryMib / TABLES_PER_MEMORY);
  const server = await startJailed(
    {
      jail,
      directory,
      uid: serverUid,
      gid: serverUid,
      cgroups: [],
      readable: [],
      libraries: [pageServer],
      writable: [],
      devices: ["/dev/null"],
      bare: true,
      filter: "page-server",
      descriptors: [
        { listen: basename(socket) },
        { listen: OWNER_SOCKET },
        ...files.map((open) => ({ open })),
      ],
      fileMib: 1,
      environment: pageServerOwner(await thisProcess()),
      program: [pageServer, String(machineUid), String(limitMib)],
    },
    run,
    signal,
  );
  undo.defer(() => endProcess(server));
  const [{ socket: connection }] = await Promise.all([
    dialMachine(join(directory, OWNER_SOCKET), { uid: serverUid, process: server }, signal),
    lchown(socket, machineUid, machineUid),
  ]);
  // Whoever reads it sees its end.
  connection.on("error", () => {});
  const owned = undo.move();
  let ending: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    connection.destroy();
    await (ending ??= owned.disposeAsync());
  };
  return { connection, process: server, end };
}

/** What an earlier attempt left, such as a program that did not end with the process that had started it. */
async function removeEarlier(directory: string): Promise<void> {
  const text = await readFile(join(directory, PROCESS_FILE), "utf8").catch(() => "");
  if (text !== "") await endProcess(JSON.parse(text) as ProcessIdentity);
  await rm(directory, { recursive: true, force: true });
}

/** Earlier versions left the memory of templates to the user that had frozen them. */
async function takeOver(file: string): Promise<void> {
  if ((await stat(file)).uid !== 0) await sealFile(file);
}

async function endProcess(server: ProcessIdentity): Promise<void> {
  await signalProcess(server, "SIGKILL");
  for (const deadline = Date.now() + END_MS; await isAlive(server);) {
    if (Date.now() > deadline)
      throw new WrennError("operation_failed", {
        operation: "ending a page server",
        problem: `process ${server.pid} does not end`,
      });
    await new Promise((done) => setTimeout(done, END_STEP_MS));
  }
}

let own: Promise<ProcessIdentity | undefined> | undefined;

async function thisProcess(): Promise<ProcessIdentity> {
  const identity = await (own ??= identifyProcess(process.pid));
  if (!identity)
    throw new WrennError("operation_failed", { operation: "reading /proc", problem: "no entry" });
  return identity;
}
