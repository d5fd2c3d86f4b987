import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { Context, Terminal } from "../../src/context.ts";
import { perform } from "../../src/perform.ts";

const AT = "2026-03-01T09:30:00.000Z";

/** A step of the log that the scripted build has. */
export interface ScriptedStep {
  readonly instruction: string;
  readonly output?: readonly string[];
  readonly end: "cached" | "done" | "failed";
}

/** A server that has one build, whose steps a test says. `endless`: it runs until it is cancelled. */
export class ScriptedBuilds implements AsyncDisposable {
  readonly asked: string[] = [];
  /** The body of the last build that was started, or the form as text. */
  body = "";
  steps: readonly ScriptedStep[] = [];
  isEndless = false;
  /** Extra routes: JSON by path. */
  readonly answers = new Map<string, unknown>();
  #isCancelled = false;
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  static async start(): Promise<ScriptedBuilds> {
    const scripted = new ScriptedBuilds();
    await new Promise<void>((resolve) => scripted.#server.listen(0, "127.0.0.1", resolve));
    return scripted;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  reset(steps: readonly ScriptedStep[]): void {
    this.steps = steps;
    this.asked.length = 0;
    this.answers.clear();
    this.isEndless = false;
    this.#isCancelled = false;
  }

  /** Runs a verb without a terminal. @param onError - is given what it says as it says it. */
  async run(
    verb: (context: Context) => Promise<void>,
    {
      json = false,
      input = "",
      env: more = {},
      onError,
    }: {
      readonly json?: boolean;
      readonly input?: string;
      readonly env?: Readonly<Record<string, string>>;
      readonly onError?: (text: string, context: Context) => void;
    } = {},
  ): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    stdin.end(input);
    const written = { stdout: "", stderr: "" };
    let running: Context | undefined;
    stdout.on("data", (chunk: Buffer) => (written.stdout += chunk.toString()));
    stderr.on("data", (chunk: Buffer) => {
      written.stderr += chunk.toString();
      if (running !== undefined) onError?.(written.stderr, running);
    });
    const env = {
      WRENN_URL: this.url,
      WRENN_API_KEY: "wrn_secret",
      TOKEN: "hush",
      XDG_CONFIG_HOME: "/nonexistent",
      ...more,
    };
    const terminal = { env, stdin, stdout, stderr } as unknown as Terminal;
    const setup = { findLocal: async () => await Promise.resolve(undefined) };
    const code = await perform(terminal, setup, { json }, {}, async (context) => {
      running = context;
      await verb(context);
    });
    return { code, ...written };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await Promise.resolve();
  }

  get #status(): string {
    if (this.#isCancelled) return "cancelled";
    if (this.isEndless) return "running";
    return this.steps.some(({ end }) => end === "failed") ? "failed" : "success";
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://x");
    const asked = `${request.method} ${pathname}`;
    this.asked.push(asked);
    const body = await buffer(request).catch(() => Buffer.alloc(0));
    const send = (status: number, value?: unknown): void => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(value === undefined ? "" : JSON.stringify(value));
    };
    if (this.answers.has(asked)) return send(200, this.answers.get(asked));
    if (asked === "POST /v1/builds" || asked === "POST /v1/builds/import") {
      this.body = body.toString("latin1");
      return send(201, this.build("pending"));
    }
    if (asked === "GET /v1/builds/bld-1") return send(200, this.build(this.#status));
    if (asked === "POST /v1/builds/bld-1/cancel") {
      this.#isCancelled = true;
      return send(204);
    }
    if (asked === "GET /v1/builds/bld-1/logs") {
      const lines = this.#lines().slice(Number(searchParams.get("from")));
      return send(200, { lines, next_from: this.#lines().length, status: this.#status });
    }
    send(404, { error: { code: "not_found", reason: "route_not_found", message: asked, request_id: "r" } });
  }

  /** The build on the wire. */
  build(status: string): object {
    const failed = this.steps.findIndex(({ end }) => end === "failed") + 1;
    return {
      id: "bld-1",
      name: "web",
      base_template: "minimal",
      recipe: this.steps.map(({ instruction }) => instruction),
      vcpus: 1,
      memory_mb: 512,
      skip_pre_post: false,
      status,
      current_step: 0,
      total_steps: this.steps.length,
      logs: this.steps.map(({ instruction, end, output = [] }, at) => ({
        step: at + 1,
        phase: "recipe",
        cmd: instruction,
        stdout: output.join("\n"),
        stderr: "",
        ...(end === "failed" ? { exit: 7 } : {}),
        ok: end !== "failed",
        cached: end === "cached",
        elapsed_ms: end === "cached" ? 0 : 1200,
      })),
      dropped_lines: 0,
      default_user: "root",
      default_env: {},
      created_at: AT,
      started_at: AT,
      completed_at: "2026-03-01T09:30:05.000Z",
      ...(status === "failed"
        ? { error: `recipe step ${failed} failed: exit code 7: no`, reason: "build_failed" }
        : {}),
    };
  }

  #lines(): readonly object[] {
    const lines: object[] = [];
    const add = (step: number, stream: string, text: string, ended?: object): void => {
      lines.push({ seq: lines.length, step, stream, text, at: AT, ...(ended && { ended }) });
    };
    for (const [at, { instruction, output = [], end }] of this.steps.entries()) {
      add(at + 1, "system", instruction);
      for (const text of output) add(at + 1, "stdout", text);
      if (this.isEndless) continue;
      const cached = end === "cached";
      add(at + 1, "system", cached ? "cached" : `${end} in 1.2 s`, {
        ok: end !== "failed",
        cached,
        elapsed_ms: cached ? 0 : 1200,
      });
    }
    return lines;
  }
}
