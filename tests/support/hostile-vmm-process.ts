import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { chown, symlink, writeFile } from "node:fs/promises";
import { createServer, Socket } from "node:net";
import type { Server } from "node:net";
import { basename, join } from "node:path";
import { identifyProcess } from "@wrenn/system";
import { readLinesWithDescriptors } from "../../packages/vmm/test/support/lines-with-descriptors.ts";

/*
 * A VMM that has been taken over, in the place of the jail and of the QEMU in it: `wrenn-jail … -- qemu …` starts it detached and
 * prints its identity, as the jail does. The name of the machine's directory is what it does to its server.
 */

interface Call {
  readonly execute: string;
  readonly id: number;
}

interface Vmm {
  readonly directory: string;
  /** The end of the connection for its state that it was given. */
  state?: Socket;
  stopReading: () => void;
  status: string;
  migration: string;
}

/** What it does with a command; undefined where it answers as QEMU does. */
type Trick = (call: Call, socket: Socket, vmm: Vmm) => unknown;

const GREETING = '{"QMP": {"version": {}, "capabilities": []}}';
const STOPS = '{"event": "STOP"}\r\n'.repeat(3000);

const send = (socket: Socket, line: unknown): boolean =>
  socket.write(`${typeof line === "string" ? line : JSON.stringify(line)}\r\n`);

/** Does it with the command `name`, and answers all others. */
const on =
  (name: string, trick: Trick): Trick =>
  (call, socket, vmm) =>
    call.execute === name ? (trick(call, socket, vmm) ?? "done") : undefined;

/** Sends as much as its peer takes, without end. */
function pour(socket: Socket, bytes: string | Buffer): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(bytes)) continue;
  };
  socket.on("drain", more);
  more();
}

function stateOf({ state }: Vmm): Socket {
  if (!state) throw new Error("no connection for the state was given");
  return state;
}

const tricks: Readonly<Record<string, Trick>> = {
  honest: () => undefined,
  "null-line": on("stop", (_call, socket) => send(socket, "null")),
  "long-line": on("stop", (_call, socket) => socket.write("x".repeat(2 << 20))),
  "deep-answer": on("stop", ({ id }, socket) =>
    send(socket, `{"id": ${id}, "return": ${"[".repeat(100_000)}${"]".repeat(100_000)}}`),
  ),
  "other-form": on("query-block", ({ id }, socket) => send(socket, { return: [null], id })),
  "unsent-command": on("stop", (_call, socket) => send(socket, { return: {}, id: 1_000_000 })),
  "odd-disk": on("query-block", ({ id }, socket) => {
    const file = 'json:{"file":{"filename":["/etc/passwd"]}}';
    send(socket, { return: [{ device: "disk0", inserted: { file } }], id });
  }),
  silent: on("stop", () => "silence"),
  "event-flood": on("stop", (_call, socket) => pour(socket, STOPS)),
  "lost-socket": on("stop", (_call, socket) => socket.destroy()),
  "reads-nothing": on("stop", (_call, _socket, vmm) => vmm.stopReading()),
  "false-shutdown": on("stop", async (_call, socket, { directory }) => {
    send(socket, { event: "SHUTDOWN", data: { guest: true } });
    await writeFile(join(directory, "exit.json"), '{"pid":2,"code":-1,"signal":11,"at":1}');
    process.kill(process.pid, "SIGKILL");
  }),
  "console-link": on("stop", async (_call, _socket, { directory }) => {
    await symlink("/etc/passwd", join(directory, "console.ring"));
    await symlink("/dev/zero", join(directory, "exit.json"));
    process.exit(3);
  }),
  "endless-state": on("migrate", (call, socket, vmm) => {
    vmm.migration = "active";
    pour(stateOf(vmm), Buffer.alloc(1 << 20));
    send(socket, { return: {}, id: call.id });
  }),
  "empty-state": on("migrate", (call, socket, vmm) => {
    Object.assign(vmm, { migration: "completed", status: "postmigrate" });
    stateOf(vmm).end();
    send(socket, { return: {}, id: call.id });
  }),
  "false-states": on("stop", ({ id }, socket, vmm) => {
    vmm.status = `${"x".repeat(30)}-${"y".repeat(30)}`;
    send(socket, { return: {}, id });
  }),
};

function usual({ execute }: Call, vmm: Vmm): unknown {
  if (execute === "stop") vmm.status = "paused";
  if (execute === "cont") vmm.status = "running";
  if (execute === "query-status") return { status: vmm.status, running: vmm.status === "running" };
  if (execute === "query-migrate") return { status: vmm.migration };
  if (execute === "query-block")
    return [{ device: "disk0", "io-status": "ok", inserted: { file: "/srv/0.qcow2" } }];
  return {};
}

function serve(socket: Socket, trick: Trick, vmm: Vmm): void {
  socket.on("error", () => socket.destroy());
  send(socket, GREETING);
  vmm.stopReading = readLinesWithDescriptors(socket, (line, [descriptor]) => {
    const call = JSON.parse(line) as Call;
    if (call.execute === "getfd" && descriptor !== undefined) {
      const state = new Socket({ fd: descriptor, readable: true, writable: true });
      vmm.state = state.on("error", () => state.destroy());
    }
    if (trick(call, socket, vmm) === undefined) send(socket, { return: usual(call, vmm), id: call.id });
  });
}

async function listen(server: Server, path: string): Promise<void> {
  server.listen(path);
  await once(server, "listening");
}

async function run(directory: string, uid: number): Promise<void> {
  const name = basename(directory).replace(/-\d+$/, "");
  const vmm: Vmm = { directory, status: "running", migration: "none", stopReading: () => {} };
  const controlSocket = join(directory, "qmp.sock");
  // The jail binds the sockets as root and listens as the machine's user.
  await chown(directory, uid, uid);
  process.setgid?.(uid);
  process.setuid?.(uid);
  if (name === "boot-noise")
    await listen(
      createServer((socket) => pour(socket, "HTTP/1.1 200 OK\r\n")),
      controlSocket,
    );
  else if (name === "boot-silence")
    await listen(
      createServer(() => {}),
      controlSocket,
    );
  else
    await listen(
      createServer({ pauseOnConnect: true }, (socket) =>
        serve(socket, tricks[name] ?? (() => undefined), vmm),
      ),
      controlSocket,
    );
}

const parameters = process.argv.slice(2);
if (parameters[0] === "--version") process.stdout.write("QEMU emulator version 7.2.0 (hostile)\n");
else if (parameters[0] === "--detached") await run(parameters[1] ?? "", Number(parameters[2]));
else {
  const directory = parameters[parameters.indexOf("--run") + 1] ?? "";
  const uid = parameters[parameters.indexOf("--uid") + 1] ?? "";
  const child = spawn(process.execPath, [import.meta.filename, "--detached", directory, uid], {
    detached: true,
    stdio: "ignore",
  });
  child.unref();
  createWriteStream("", { fd: 1 }).end(JSON.stringify(await identifyProcess(child.pid ?? 0)));
}
