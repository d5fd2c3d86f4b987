import assert from "node:assert/strict";
import { join } from "node:path";
import { documentProblems, verbReference } from "@wrenn/client/testing";
import { tryCommand } from "@wrenn/system";
import type { CommandResult } from "@wrenn/system";
import { programEnvironment } from "./program-environment.ts";
import { projectRoot } from "./sources.ts";

/** The command line as users run it, with a home of its own. */
export class CommandLine {
  readonly #env: Readonly<Record<string, string>>;

  /**
   * @param home - directory of its profiles.
   * @param env - further variables, such as WRENN_URL.
   */
  constructor(home: string, env: Readonly<Record<string, string>>) {
    // Not the server of this machine, if one runs.
    this.#env = programEnvironment(home, { WRENN_DATA_DIR: home, ...env });
  }

  /** Runs a command, whether or not it succeeds. */
  async try(
    args: readonly string[],
    input = "",
    onOutput: (text: string) => void = () => {},
  ): Promise<CommandResult> {
    return await tryCommand([join(projectRoot, "wrenn"), ...args], { env: this.#env, input, onOutput });
  }

  /** What a command writes to standard output. It must succeed. */
  async run(args: readonly string[], input = ""): Promise<string> {
    const { code, stdout, stderr } = await this.try(args, input);
    assert.equal(code, 0, `wrenn ${args.join(" ")}: ${stderr}${stdout}`);
    return stdout;
  }

  /** What a command prints under `--json`, which must be what the reference says. It must succeed. */
  async json<T>(verb: string, ...args: readonly string[]): Promise<T> {
    const value: unknown = JSON.parse(await this.run([...verb.split(" "), ...args, "--json"]));
    const { form, fields } = verbReference[verb]?.json ?? assert.fail(`the reference has no ${verb}`);
    assert.equal(Array.isArray(value), form === "list", verb);
    const problems = (form === "list" ? (value as unknown[]) : [value]).flatMap((item) =>
      documentProblems(fields, item),
    );
    assert.deepEqual(problems, [], verb);
    return value as T;
  }

  /** The exit code and the error of a command that must fail; under `--json` nothing else is printed. */
  async failure(...args: readonly string[]): Promise<readonly [exitCode: number, error: CommandFailure]> {
    const { code, stdout, stderr } = await this.try([...args, "--json"]);
    assert.notEqual(code, 0, stdout);
    assert.equal(stderr, "");
    return [code, (JSON.parse(stdout) as { readonly error: CommandFailure }).error];
  }
}

export interface CommandFailure {
  readonly code: string;
  readonly reason?: string;
  readonly message: string;
  readonly remedy: string;
}
