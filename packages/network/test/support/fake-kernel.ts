import { WrennError } from "@wrenn/core";
import type { Runner } from "../../src/runner.ts";

interface Pending {
  readonly settle: () => void;
}

/**
 * A kernel that holds namespaces, behind the runner of a slot pool. Programs take effect at once, but their ends are reported in
 * batches: several callers continue within one turn of the event loop, as when many processes exit under load.
 */
export class FakeKernel {
  readonly namespaces = new Set<string>();
  /** Called before each program; what it throws is what the program reports. */
  refuse: (line: string) => void = () => {};
  readonly #pending: Pending[] = [];
  #isScheduled = false;

  readonly run: Runner = async (argv, { input = "", files = [], signal }) => {
    signal?.throwIfAborted();
    const answer = Promise.withResolvers<{ readonly stdout: string }>();
    let problem: unknown;
    try {
      this.#execute(argv, input, files);
    } catch (error) {
      problem = error;
    }
    this.#pending.push({
      settle: () => (problem === undefined ? answer.resolve({ stdout: "" }) : answer.reject(problem)),
    });
    this.#schedule();
    const result = await answer.promise;
    signal?.throwIfAborted();
    return result;
  };

  /** Numbers of the slots of which there is a namespace. */
  async numbers(): Promise<readonly number[]> {
    return [...this.namespaces].map((name) => Number(name.split("-").at(-1)));
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      for (const { settle } of this.#pending.splice(0)) settle();
    });
  }

  #execute(argv: readonly string[], input: string, files: readonly string[] = []): void {
    try {
      this.refuse(argv.join(" "));
    } catch (error) {
      throw failed(String(error));
    }
    if (argv[1] === "netns" && argv[2] === "exec") this.#require(argv[3] ?? "", argv.join(" "));
    if (argv[1] === "-n") this.#require(argv[2] ?? "", argv.join(" "));
    const isForced = argv.includes("-force");
    for (const [at, line] of input.split("\n").entries()) {
      try {
        this.refuse(line);
        this.#line(line, files);
      } catch (error) {
        if (isForced) continue;
        throw failed(`${String(error)}; Command failed -:${at + 1}`);
      }
    }
  }

  #line(line: string, files: readonly string[]): void {
    const [object, verb, name = "", ...program] = line.split(" ");
    if (object !== "netns") return;
    if (verb === "exec") {
      this.#require(name, line);
      const file = files[Number(/^\/dev\/fd\/(\d+)$/.exec(program.at(-1) ?? "")?.[1]) - 3];
      this.#execute(program, program[0] === "ip" ? (file ?? "") : "");
    }
    if (verb === "add" && this.namespaces.has(name))
      throw new Error(`Cannot create namespace file "/run/netns/${name}": File exists`);
    if (verb === "add") this.namespaces.add(name);
    if (verb === "del") this.namespaces.delete(name);
  }

  #require(name: string, what: string): void {
    if (!this.namespaces.has(name))
      throw failed(`${what}: Cannot open network namespace "${name}": No such file or directory`);
  }
}

function failed(problem: string): WrennError {
  return new WrennError("command_failed", { command: "ip", problem });
}
