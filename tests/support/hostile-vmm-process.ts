import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { symlink, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { basename, join } from "node:path";
import { identifyProcess } from "@wrenn/system";

/*
 * A VMM that has been taken over, in the place of the jail and of the QEMU in it: `wrenn-jail … -- qemu …` starts it detached and
 * prints its identity, as the jail does. The name of the machine's directory is what it does to its server.
 */

interface Call {
  readonly execute: string;
  readonly id: number;
  readonly arguments?: { readonly uri?: string };
}

interface Vmm {
  readonly directory: string;
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

/** A connection to the socket that the server receives a state on. */
function openState(call: Call): Socket {
  const socket = connect((call.arguments?.uri ?? "").replace(/^unix:/, ""));
  return socket.on("error", () => socket.destroy());
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
  "reads-nothing": on("stop", (_call, socket) => socket.pause()),
  "false-shutdown": on("stop", async (_call, socket, { directory }) => {
    send(socket, { event: "SHUTDOWN", data: { guest: true } });
    await writeFile(join(directory, "exit.json"), '{"pid":2,"code":-1,"signal":11,"at":1}');
    process.kill(process.pid, "SIGKILL");
  }),
  "console-link": on("stop", async (_call, _socket, { directory }) => {
    await symlink("/etc/passwd", join(directory, "console.log"));
    await symlink("/dev/zero", join(directory, "exit.json"));
    process.exit(3);
  }),
  "endless-state": on("migrate", (call, socket, vmm) => {
    vmm.migration = "active";
    pour(openState(call), Buffer.alloc(1 << 20));
    send(socket, { return: {}, id: call.id });
  }),
  "empty-state": on("migrate", (call, socket, vmm) => {
    Object.assign(vmm, { migration: "completed", status: "postmigrate" });
    openState(call).end();
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
  let rest = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    const lines = `${rest}${text}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const call = JSON.parse(line) as Call;
      if (trick(call, socket, vmm) === undefined) send(socket, { return: usual(call, vmm), id: call.id });
    }
  });
}

async function listen(server: Server, path: string): Promise<void> {
  server.listen(path);
  await once(server, "listening");
}

async function run(directory: string, controlSocket: string): Promise<void> {
  const name = basename(directory).replace(/-\d+$/, "");
  const vmm: Vmm = { directory, status: "running", migration: "none" };
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
      createServer((socket) => serve(socket, tricks[name] ?? (() => undefined), vmm)),
      controlSocket,
    );
}

/** The path in `-qmp unix:PATH,server=on,wait=off`. */
function controlSocketOf(parameters: readonly string[]): string {
  return /^unix:([^,]*)/.exec(parameters[parameters.indexOf("-qmp") + 1] ?? "")?.[1] ?? "";
}

const parameters = process.argv.slice(2);
if (parameters[0] === "--version") process.stdout.write("QEMU emulator version 7.2.0 (hostile)\n");
else if (parameters[0] === "--detached") await run(parameters[1] ?? "", parameters[2] ?? "");
else {
  const directory = parameters[parameters.indexOf("--run") + 1] ?? "";
  const controlSocket = controlSocketOf(parameters);
  const child = spawn(process.execPath, [import.meta.filename, "--detached", directory, controlSocket], {
    detached: true,
    stdio: "ignore",
  });
  child.unref();
  createWriteStream("", { fd: 1 }).end(JSON.stringify(await identifyProcess(child.pid ?? 0)));
}
