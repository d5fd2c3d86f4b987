import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually } from "@wrenn/core/testing";
import type { PageServerProgram } from "@wrenn/memory-image";
import { identifyProcess, runCommand } from "@wrenn/system";

const native = fileURLToPath(new URL("../../../../native", import.meta.url));

export const programs = {
  jail: join(native, "jail/build/wrenn-jail"),
  pageServer: join(native, "page-server/build/wrenn-page-server"),
  hostileVmm: join(native, "page-server/build/hostile-vmm"),
  standIn: join(native, "page-server/build/stand-in-vmm"),
} as const;

/** Users that no slot has. */
export const serverUid = 265_001;
export const machineUid = 199_500;

export async function buildPrograms(): Promise<void> {
  for (const part of ["jail", "page-server"])
    await runCommand(["make", "-s", "-C", join(native, part), "all"]);
}

/** A program in its jail, with the socket of the machine. */
export interface JailedProgram extends PageServerProgram {
  readonly pid: number;
  readonly socket: string;
}

/** Runs the page server as packages/vmm does; its sockets are in `directory`, which is made. */
export async function startProgram(
  directory: string,
  files: readonly string[],
  memoryMib = 64,
): Promise<JailedProgram> {
  await mkdir(directory, { mode: 0o700 });
  const socket = join(directory, "machine.sock");
  const { jail, pageServer } = programs;
  const { stdout } = await runCommand(
    [
      jail,
      "--run",
      directory,
      "--uid",
      String(serverUid),
      "--gid",
      String(serverUid),
      "--bare",
      "--library",
      pageServer,
      "--device",
      "/dev/null",
      "--file-mib",
      "1",
      "--listen",
      "machine.sock",
      "--listen",
      "owner.sock",
      ...files.flatMap((file) => ["--open", file]),
      "--",
      pageServer,
      String(machineUid),
      String(memoryMib),
    ],
    { untilOutputEnds: true, env: {} },
  );
  const { pid } = JSON.parse(stdout) as { pid: number };
  const connection = connect(join(directory, "owner.sock"));
  await once(connection, "connect");
  const end = async (): Promise<void> => {
    connection.destroy();
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await eventually(`process ${pid} is gone`, async () => !(await identifyProcess(pid)));
  };
  return { connection, pid, socket, end };
}
