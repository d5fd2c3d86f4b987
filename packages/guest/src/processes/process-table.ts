import { randomHex, WrennError } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import { channel } from "@wrenn/protocol";
import type { CapsuleProcess, CapsuleProcesses, ProcessFacts, StartRequest } from "@wrenn/protocol";
import type { Lane } from "../lane/lane.ts";
import { startError } from "../refusal-to-error.ts";
import { GuestProcess, RING_BYTES } from "./guest-process.ts";

/** Exited processes stay readable this long, or until this many newer ones have exited. */
const KEEP_EXITED_MS = 10 * 60_000;
const KEEP_EXITED = 100;

const FLAG_TERMINAL = 1;
const FLAG_INPUT = 2;
const DEFAULT_SIZE = { cols: 80, rows: 24 };

export interface ProcessTableOptions {
  readonly control: Lane;
  readonly bulk: Lane;
  readonly nextHandle: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
}

/** The processes that were started through this session. */
export class ProcessTable implements CapsuleProcesses {
  readonly #options: ProcessTableOptions;
  readonly #processes = new Map<number, GuestProcess>();
  /** Handles of exited processes and when they ended, oldest first. */
  readonly #exited = new Map<number, number>();

  constructor(options: ProcessTableOptions) {
    this.#options = options;
  }

  async start(request: StartRequest, signal: AbortSignal): Promise<CapsuleProcess> {
    const { control, bulk, clock } = this.#options;
    const tag = request.tag ?? this.#newTag(request.terminal ? "pty-" : "proc-");
    if (this.#liveByTag(tag)) throw new WrennError("tag_in_use", { tag });
    const handle = this.#options.nextHandle();
    const facts: ProcessFacts = {
      pid: 0,
      tag,
      cmd: request.cmd,
      args: request.args,
      terminal: request.terminal !== undefined,
      startedAt: clock.now(),
    };
    const process = new GuestProcess({
      handle,
      facts,
      attached: request.output === "attached",
      hasInput: request.stdin || facts.terminal,
      control,
      data: facts.terminal ? control : bulk,
      onFinished: () => this.#forget(handle),
    });
    if (facts.terminal)
      process.log.recordResize(
        request.terminal?.cols ?? DEFAULT_SIZE.cols,
        request.terminal?.rows ?? DEFAULT_SIZE.rows,
      );
    this.#processes.set(handle, process);
    try {
      // WAIT follows at once on the same lane: an exit is never missed, and never waits for a second round trip.
      const started = control.request(channel.operation.start, encodeStart(handle, request, facts), signal);
      const waited = control.request(channel.operation.wait, new channel.BodyWriter().u32(handle).finish());
      waited.catch(() => {});
      const answer = await started;
      process.started(answer.u32());
      void waited.then(
        (exit) => this.#exitedNow(process, exit),
        (error: unknown) => process.fail(error),
      );
      return process;
    } catch (error) {
      this.#processes.delete(handle);
      process.dispose();
      throw startError(error, { cmd: request.cmd, cwd: request.cwd ?? "~", user: request.user ?? "root" });
    }
  }

  /** How many readers follow the output of live processes. */
  get readers(): number {
    let count = 0;
    for (const process of this.#processes.values()) if (process.alive) count += process.readerCount;
    return count;
  }

  async find(selector: string): Promise<CapsuleProcess> {
    const byPid = /^\d{1,10}$/.test(selector) && Number(selector) <= 0xff_ff_ff_ff;
    const matches = [...this.#processes.values()].filter(({ facts }) =>
      byPid ? facts.pid === Number(selector) : facts.tag === selector,
    );
    const process = matches.find((match) => match.alive) ?? matches.at(-1);
    if (!process || process.facts.pid === 0) throw new WrennError("process_not_found", { selector });
    return process;
  }

  async list(): Promise<readonly ProcessFacts[]> {
    return [...this.#processes.values()]
      .filter((process) => process.alive && process.facts.pid !== 0)
      .map((process) => process.facts);
  }

  #exitedNow(process: GuestProcess, answer: channel.BodyReader): void {
    const code = answer.u32();
    const killedBy = answer.u32();
    const final = { stdout: answer.u64(), stderr: answer.u64() };
    process.finish(
      killedBy === 0 ? { exitCode: code } : { exitCode: 128 + killedBy, signal: killedBy },
      final,
    );
    this.#exited.set(process.handle, this.#options.clock.now());
    this.#prune();
  }

  /** All its output is here: the guest needs to know nothing of it any more. */
  #forget(handle: number): void {
    this.#options.control
      .request(channel.operation.forget, new channel.BodyWriter().u32(handle).finish())
      .catch((error: unknown) => {
        this.#options.logger.debug("guest.forget_failed", { handle, problem: String(error) });
      });
  }

  #prune(): void {
    const oldest = this.#options.clock.now() - KEEP_EXITED_MS;
    for (const [handle, at] of this.#exited) {
      if (this.#exited.size <= KEEP_EXITED && at >= oldest) return;
      this.#exited.delete(handle);
      this.#processes.get(handle)?.dispose();
      this.#processes.delete(handle);
    }
  }

  #liveByTag(tag: string): boolean {
    return [...this.#processes.values()].some((process) => process.alive && process.facts.tag === tag);
  }

  #newTag(prefix: string): string {
    for (;;) {
      const tag = prefix + randomHex(this.#options.random, 4);
      if (!this.#liveByTag(tag)) return tag;
    }
  }
}

function encodeStart(handle: number, request: StartRequest, facts: ProcessFacts): Buffer {
  const { cols, rows } = request.terminal ?? DEFAULT_SIZE;
  const body = new channel.BodyWriter()
    .u32(handle)
    .u32((request.terminal ? FLAG_TERMINAL : 0) | (request.stdin ? FLAG_INPUT : 0))
    .u8(request.output === "detached" ? 1 : 0)
    .u32(RING_BYTES)
    .u16(cols)
    .u16(rows)
    .text(request.user ?? "")
    .text(request.cwd ?? "");
  const write = (text: string): void => void body.text(text);
  body.list([request.cmd, ...request.args], write);
  body.list(Object.entries(request.envs), ([name, value]) => {
    write(name);
    write(value);
  });
  body.u32(0);
  const { tag, cmd, args, startedAt } = facts;
  return body
    .bytes(
      Buffer.from(
        JSON.stringify({
          tag,
          cmd: cmd.slice(0, 1000),
          args: args.slice(0, 20).map((a) => a.slice(0, 200)),
          startedAt,
          output: request.output,
        }),
      ),
    )
    .finish();
}
