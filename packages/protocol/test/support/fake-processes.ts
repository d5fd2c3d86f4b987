import { WrennError } from "@wrenn/core";
import type { CapsuleProcess, CapsuleProcesses, ProcessFacts, StartRequest } from "@wrenn/protocol";
import type { FakeFiles } from "./fake-files.ts";
import { FakeProcess } from "./fake-process.ts";
import type { Program } from "./fake-process.ts";

const programs: Readonly<Record<string, Program>> = {
  echo: ({ args, print, exit }) => {
    print(`${args.join(" ")}\n`);
    exit(0);
  },
  cat: ({ print, exit, onInput }) => onInput(print, () => exit(0)),
  sleep: ({ args, exit }) => void setTimeout(() => exit(0), Number(args[0]) * 1000).unref(),
};

/** Processes of a fake capsule. It knows a few programs; any other prints `output of ID` and exits with 0. */
export class FakeProcesses implements CapsuleProcesses {
  readonly #capsule: string;
  readonly #files: FakeFiles;
  readonly #processes: FakeProcess[] = [];
  #lastPid = 100;

  constructor(capsule: string, files: FakeFiles) {
    this.#capsule = capsule;
    this.#files = files;
  }

  async start(request: StartRequest, signal: AbortSignal): Promise<CapsuleProcess> {
    signal.throwIfAborted();
    const { cmd, cwd, user } = request;
    const pid = ++this.#lastPid;
    const tag = request.tag ?? `${request.terminal ? "pty" : "proc"}-${pid}`;
    if (this.#processes.some(({ alive, facts }) => alive && facts.tag === tag))
      throw new WrennError("tag_in_use", { tag });
    if (request.unusedTag === true && this.#processes.some(({ facts }) => facts.tag === tag))
      throw new WrennError("tag_used", { tag });
    this.#files.requireUser(user);
    if (cwd !== undefined && !this.#files.isDirectory(cwd)) throw new WrennError("cwd_not_found", { cwd });
    const program = cmd === "printenv" ? printenv(request) : (programs[cmd] ?? this.#other);
    const process = new FakeProcess(pid, tag, request, program);
    this.#processes.push(process);
    return process;
  }

  async find(selector: string, signal: AbortSignal): Promise<CapsuleProcess> {
    signal.throwIfAborted();
    const byPid = /^\d+$/.test(selector);
    const matches = this.#processes.filter(({ facts }) =>
      byPid ? facts.pid === Number(selector) : facts.tag === selector,
    );
    const found = matches.find(({ alive }) => alive) ?? matches.at(-1);
    if (!found) throw new WrennError("process_not_found", { selector });
    return found;
  }

  async list(signal: AbortSignal): Promise<readonly ProcessFacts[]> {
    signal.throwIfAborted();
    return this.#processes.filter(({ alive }) => alive).map(({ facts }) => facts);
  }

  async recent(signal: AbortSignal): Promise<readonly ProcessFacts[]> {
    signal.throwIfAborted();
    return this.#processes.map(({ facts }) => facts);
  }

  fail(cause: unknown): void {
    for (const process of this.#processes) process.fail(cause);
  }

  readonly #other: Program = ({ print, exit }) => {
    print(`output of ${this.#capsule}`);
    exit(0);
  };
}

function printenv({ envs }: StartRequest): Program {
  return ({ args, print, exit }) => {
    const value = envs[args[0] ?? ""];
    if (value !== undefined) print(`${value}\n`);
    exit(value === undefined ? 1 : 0);
  };
}
