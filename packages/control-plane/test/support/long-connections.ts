import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import type { ClientRequest, IncomingMessage } from "node:http";
import { connect as openSocket } from "node:net";
import type { Socket } from "node:net";
import { connect } from "node:http2";
import { abortable } from "@wrenn/core";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import type { CapsuleProcess, CapsuleProcesses, CapsuleSpec, CapsuleStatus } from "@wrenn/protocol";
import { eventually } from "@wrenn/core/testing";
import { WebSocket } from "ws";
import type { RawData } from "ws";

/** A host that records what reaches the input of its processes, and whose creates wait while the test says so. */
export class RecordingHostAgent extends FakeHostAgent {
  readonly typed: string[] = [];
  /** Creates that wait until they are aborted. */
  waiting = 0;
  isSlow = false;
  readonly #watched = new Map<string, CapsuleProcesses>();

  override async createCapsule(spec: CapsuleSpec, signal?: AbortSignal): Promise<CapsuleStatus> {
    if (this.isSlow && signal) {
      this.waiting += 1;
      try {
        await abortable(signal, new Promise<never>(() => undefined));
      } finally {
        this.waiting -= 1;
      }
    }
    return await super.createCapsule(spec, signal);
  }

  override processes(id: string): CapsuleProcesses {
    const known = this.#watched.get(id);
    if (known) return known;
    const processes = super.processes(id);
    const record = (process: CapsuleProcess): CapsuleProcess => ({
      get facts() {
        return process.facts;
      },
      output: (...given) => process.output(...given),
      held: async (...given) => await process.held(...given),
      wait: async (...given) => await process.wait(...given),
      closeInput: async (...given) => await process.closeInput(...given),
      kill: async (...given) => await process.kill(...given),
      resize: async (...given) => await process.resize(...given),
      write: async (bytes, ...given) => {
        this.typed.push(Buffer.from(bytes).toString());
        await process.write(bytes, ...given);
      },
    });
    const recording: CapsuleProcesses = {
      start: async (...given) => record(await processes.start(...given)),
      find: async (...given) => record(await processes.find(...given)),
      list: async (...given) => await processes.list(...given),
      recent: async (...given) => await processes.recent(...given),
    };
    this.#watched.set(id, recording);
    return recording;
  }
}

/** How a connection is opened: where, and by which credentials. */
export interface Opening {
  readonly url: string;
  readonly capsule: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Credentials that a WebSocket sends in its first message instead of headers. */
  readonly first?: { readonly token: string } | { readonly api_key: string };
  /** `/v1/admin` for capsules of the platform. */
  readonly base?: string;
}

/** A connection that is open until somebody ends it. */
export interface LongConnection {
  readonly name: string;
  /** What it ended with; undefined while it is open. */
  readonly ending: () => string | undefined;
  /** Types into the process, if there is one. */
  readonly type?: (text: string) => void;
  readonly close: () => void;
}

/** A connection, and what it has to end with when its access does. */
export interface Watched {
  readonly connection: LongConnection;
  readonly ended: string;
}

export function close(all: readonly Watched[]): void {
  for (const { connection } of all) connection.close();
}

type Open = (opening: Opening) => Promise<LongConnection>;

const ENDED = "1008 access_ended";

function socketOf(name: string, path: string, first: object | undefined, ready: string): Open {
  return async ({ url, capsule, headers, first: credentials, base = "/v1" }) => {
    const socket = new WebSocket(`${url.replace("http", "ws")}${base}/capsules/${capsule}/${path}`, {
      headers: credentials ? {} : { ...headers },
    });
    let ending: string | undefined;
    const messages: { readonly type?: string; readonly reason?: string }[] = [];
    socket.on("error", () => undefined);
    socket.on("message", (data: RawData) => messages.push(JSON.parse((data as Buffer).toString()) as object));
    socket.once("close", (code) => (ending = `${code} ${messages.at(-1)?.reason ?? ""}`));
    await once(socket, "open");
    if (credentials) socket.send(JSON.stringify({ type: "auth", ...credentials }));
    if (first) socket.send(JSON.stringify(first));
    await eventually(`${name} is open`, () => messages.some(({ type }) => type === ready), {
      timeoutMs: 5000,
    });
    const kind = path === "pty" ? "input" : "stdin";
    return {
      name,
      ending: () => ending,
      type: (text) => {
        if (socket.readyState === WebSocket.OPEN)
          socket.send(JSON.stringify({ type: kind, data: Buffer.from(text).toString("base64") }));
      },
      close: () => socket.terminate(),
    };
  };
}

/** A request whose answer, or whose body, does not end by itself. */
function requestOf(name: string, make: (opening: Opening) => ClientRequest): Open {
  return async (opening) => {
    let ending: string | undefined;
    const outgoing = make(opening);
    outgoing.on("error", () => (ending = "destroyed"));
    outgoing.on("response", (response: IncomingMessage) => {
      const failed = response.statusCode !== 200;
      response.on("error", () => (ending = "destroyed"));
      response.on("data", (data: Buffer) => failed && (ending = `${response.statusCode} ${data.toString()}`));
      response.on("end", () => (ending ??= `answered ${response.statusCode}`));
    });
    return { name, ending: () => ending, close: () => outgoing.destroy() };
  };
}

const send = (
  { url, headers }: Opening,
  method: string,
  path: string,
  more: Record<string, string> = {},
): ClientRequest => request(url + path, { method, agent: false, headers: { ...headers, ...more } });

const json = { "content-type": "application/json" };

interface Kind {
  readonly name: string;
  /** How it ends when its access does. */
  readonly ended: string;
  readonly open: Open;
}

/** Every kind of connection of the API that lasts longer than an ordinary request. */
export const kinds: readonly Kind[] = [
  ["terminal", "pty", { type: "start", cmd: "cat" }, "started"] as const,
  ["command", "exec/stream", { type: "start", cmd: "cat", stdin: true }, "start"] as const,
  ["process output", "processes/service/stream", undefined, "start"] as const,
  ["file watch", "files/watch?path=/", undefined, "watching"] as const,
]
  .map(([name, path, first, ready]): Kind => ({
    name,
    ended: ENDED,
    open: socketOf(name, path, first, ready),
  }))
  .concat(
    [
      requestOf("events", (opening) => {
        const events = send(opening, "GET", "/v1/events");
        events.end();
        return events;
      }),
      requestOf("output stream", (opening) => {
        const path = `${opening.base ?? "/v1"}/capsules/${opening.capsule}/processes/service/output`;
        const output = send(opening, "GET", path);
        output.end();
        return output;
      }),
      requestOf("foreground command", (opening) => {
        const command = send(opening, "POST", `/v1/capsules/${opening.capsule}/exec`, json);
        command.end(JSON.stringify({ cmd: "sleep", args: ["600"], timeout_sec: 600 }));
        return command;
      }),
      requestOf("upload", (opening) => {
        const upload = send(opening, "PUT", `/v1/capsules/${opening.capsule}/files/content?path=/up`);
        upload.write("the beginning");
        return upload;
      }),
    ].map((open, index) => ({
      name: ["events", "output stream", "foreground command", "upload"][index] ?? "",
      ended: "destroyed",
      open,
    })),
  );

/** A terminal that runs `cat`, of a client that writes frames as it likes, and reads nothing unless the test does. */
export async function openRawTerminal(opening: Opening): Promise<RawTerminal> {
  const url = new URL(opening.url);
  const socket = openSocket(Number(url.port), url.hostname);
  socket.on("error", () => undefined);
  const fields = Object.entries(opening.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(
    [
      `GET /v1/capsules/${opening.capsule}/pty HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n`,
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.alloc(16).toString("base64")}\r\n`,
      ...fields,
      "\r\n",
    ].join(""),
  );
  const [head] = (await once(socket, "data")) as [Buffer];
  assert.match(head.toString(), /^HTTP\/1\.1 101/);
  socket.pause();
  const send = (message: object): void => void socket.write(textFrame(JSON.stringify(message)));
  send({ type: "start", cmd: "cat" });
  return {
    socket,
    type: (text) => send({ type: "input", data: Buffer.from(text).toString("base64") }),
  };
}

interface RawTerminal {
  readonly socket: Socket;
  readonly type: (text: string) => void;
}

/** A text frame of a client, whose mask is zero. */
function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const length = Buffer.alloc(payload.length < 126 ? 2 : 4);
  length[0] = 0x81;
  length[1] = 0x80 | Math.min(payload.length, 126);
  if (payload.length >= 126) length.writeUInt16BE(payload.length, 2);
  return Buffer.concat([length, Buffer.alloc(4), payload]);
}

/** The same stream of events over HTTP/2. @returns the connection; `url` speaks HTTP/2 in clear text. */
export async function openHttp2Events(
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<LongConnection> {
  const session = connect(url);
  const stream = session.request({ ":path": "/v1/events", ...headers });
  let ending: string | undefined;
  stream.on("error", () => undefined);
  stream.resume();
  stream.once("close", () => (ending = stream.rstCode === 0 ? "ended" : "destroyed"));
  const [answer] = (await once(stream, "response")) as [Record<string, unknown>];
  assert.equal(answer[":status"], 200);
  return { name: "events over HTTP/2", ending: () => ending, close: () => session.destroy() };
}
