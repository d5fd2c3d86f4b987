import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Commands } from "../../src/commands/commands.ts";
import { connectionSettings } from "../../src/transport/connection.ts";
import type { ConnectionOptions } from "../../src/transport/connection.ts";
import { HttpClient } from "../../src/transport/http.ts";
import { ScriptedProcess } from "./scripted-process.ts";
import type { Program } from "./scripted-process.ts";

const kinds = { heartbeat: 0, stdout: 1, stderr: 2, started: 3, dropped: 4, exit: 5, status: 6, error: 7 };

/** One frame of an output stream. */
export function frame(kind: keyof typeof kinds, payload: object | Uint8Array = new Uint8Array(0)): Buffer {
  const bytes = payload instanceof Uint8Array ? payload : Buffer.from(JSON.stringify(payload));
  const head = Buffer.alloc(8);
  head[0] = kinds[kind];
  head.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([head, bytes]);
}

/** What happens to the next request that matches. */
export interface Fault {
  /** Matched with `METHOD path`. */
  readonly on: RegExp;
  /** `before`: nothing is carried out; `after`: it is, and the answer is lost; `silent`: its body stops after the first frames. */
  readonly cut: "before" | "after" | "silent" | { readonly afterBytes: number };
}

/**
 * The routes of commands of one capsule, for what real capsules do too rarely: tests/e2e/sdk-commands.test.ts holds the same promises
 * with them.
 */
export class ScriptedCapsule implements AsyncDisposable {
  readonly processes = new Map<string, ScriptedProcess>();
  readonly requests: string[] = [];
  readonly faults: Fault[] = [];
  /** Most bytes of output in one frame, and in one write to the connection. */
  frameBytes = 65_536;
  /** Runs before the start is answered; what it does not await happens later. */
  program: Program = (process) => process.end();
  readonly #server = createServer((request, response) => {
    this.#handle(request, response).catch((error: unknown) => response.destroy(error as Error));
  });

  static async start(program?: Program): Promise<ScriptedCapsule> {
    const capsule = new ScriptedCapsule();
    if (program) capsule.program = program;
    capsule.#server.listen(0, "127.0.0.1");
    await once(capsule.#server, "listening");
    return capsule;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The only process. */
  get process(): ScriptedProcess {
    const [process] = this.processes.values();
    if (!process) throw new Error("nothing was started");
    return process;
  }

  commands(options: ConnectionOptions = {}): Commands {
    return new Commands(
      new HttpClient(connectionSettings({ url: this.url, apiKey: "key", ...options })),
      "cl-1",
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = "", query = ""] = (request.url ?? "").split("?");
    const line = `${request.method} ${path.replace("/v1/capsules/cl-1", "")}`;
    this.requests.push(line);
    const index = this.faults.findIndex(({ on }) => on.test(line));
    const fault = index === -1 ? undefined : this.faults.splice(index, 1)[0]?.cut;
    const text = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>)).toString();
    const body = (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
    if (fault === "before") return void response.destroy();
    const [, selector = "", action = ""] = /^\S+ \/processes\/([^/]+)(?:\/(\w+))?$/.exec(line) ?? [];
    if (line === "POST /exec") return await this.#exec(body, response, fault);
    const process = this.processes.get(decodeURIComponent(selector));
    if (!process)
      return answer(response, 404, {
        error: { code: "not_found", reason: "process_not_found", message: "" },
      });
    if (action === "output")
      return await streamOutput(process, new URLSearchParams(query), response, this.frameBytes, fault);
    if (action === "input") {
      const [status, error] = process.take(body);
      if (fault === "after") return void response.destroy();
      return answer(response, status, error && { error: { message: "", ...error } });
    }
    if (action === "signal") {
      process.signals.push(String(body["signal"]));
      if (!process.exit) process.onSignal(String(body["signal"]));
      return answer(response, 204);
    }
    const { pid, tag, exit } = process;
    answer(response, 200, {
      pid,
      tag,
      cmd: "x",
      args: [],
      terminal: false,
      started_at: "2026-01-01T00:00:00Z",
      exit,
      input_offset: process.input.length,
    });
  }

  async #exec(
    body: Record<string, unknown>,
    response: ServerResponse,
    fault: Fault["cut"] | undefined,
  ): Promise<void> {
    const tag = String(body["tag"]);
    if (this.processes.has(tag))
      return answer(response, 409, { error: { code: "conflict", reason: "tag_in_use", message: "" } });
    const process = new ScriptedProcess(this.processes.size + 100, tag, body);
    this.processes.set(tag, process);
    await this.program(process);
    const { pid } = process;
    if (fault === "after") return void response.destroy();
    if (!body["wait_sec"]) return answer(response, 202, { pid, tag });
    const { stdout, stderr } = process.output;
    const output = {
      pid,
      tag,
      encoding: "base64",
      stdout: stdout.toString("base64"),
      stderr: stderr.toString("base64"),
    };
    if (process.exit) answer(response, 200, { ...output, ...process.exit, duration_ms: 7 });
    else answer(response, 202, { ...output, next: { stdout: stdout.length, stderr: stderr.length } });
  }
}

function answer(response: ServerResponse, status: number, body?: object): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(body && JSON.stringify(body));
}

async function streamOutput(
  process: ScriptedProcess,
  query: URLSearchParams,
  response: ServerResponse,
  frameBytes: number,
  fault: Fault["cut"] | undefined,
): Promise<void> {
  const position = { stdout: Number(query.get("from")), stderr: Number(query.get("from_stderr")) };
  let left = typeof fault === "object" ? fault.afterBytes : Number.POSITIVE_INFINITY;
  const send = async (bytes: Buffer): Promise<void> => {
    const part = bytes.subarray(0, left);
    left -= part.length;
    if (!response.write(part)) await Promise.race([once(response, "drain"), once(response, "close")]);
    if (left === 0) response.destroy();
  };
  response.writeHead(200, { "content-type": "application/vnd.wrenn.output" });
  const { pid, tag } = process;
  await send(frame("started", { pid, tag, offset: position }));
  await send(frame("heartbeat"));
  if (fault === "silent") return;
  const gone = closed(response);
  while (!response.destroyed) {
    const changed = once(process.changed, "change", { signal: gone });
    changed.catch(() => undefined);
    let isSent = false;
    for (const stream of ["stdout", "stderr"] as const) {
      if (position[stream] < process.kept[stream]) {
        const next = process.kept[stream];
        await send(frame("dropped", { stream, offset: position[stream], next }));
        position[stream] = next;
      }
      const bytes = process.output[stream].subarray(position[stream], position[stream] + frameBytes);
      if (bytes.length === 0) continue;
      isSent = true;
      position[stream] += bytes.length;
      await send(frame(stream, bytes));
    }
    if (isSent) continue;
    if (process.exit) {
      await send(frame("exit", process.exit));
      return void response.end();
    }
    await changed.catch(() => undefined);
  }
}

function closed(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once("close", () => controller.abort());
  return controller.signal;
}
