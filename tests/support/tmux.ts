import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { eventually } from "@wrenn/core/testing";
import { runCommand } from "@wrenn/system";

/** A terminal as a person has it: what is on the screen, and keys. */
export class Tmux implements AsyncDisposable {
  readonly #directory: string;
  readonly #env: Readonly<Record<string, string>>;

  private constructor(directory: string, env: Readonly<Record<string, string>>) {
    this.#directory = directory;
    this.#env = env;
  }

  /** A shell without a prompt of its own, on a screen of this size. */
  static async start(env: Readonly<Record<string, string>>, cols: number, rows: number): Promise<Tmux> {
    const tmux = new Tmux(await mkdtemp("/tmp/wrenn-tmux-"), { ...env, PS1: "local$ " });
    const size = ["-x", String(cols), "-y", String(rows)];
    await tmux.#run("-f", "/dev/null", "new-session", "-d", ...size, "bash", "--norc", "--noprofile");
    await tmux.shows("local$");
    return tmux;
  }

  /** @param keys - texts, or names of keys such as `Enter` and `C-c`. */
  async press(...keys: readonly string[]): Promise<void> {
    await this.#run("send-keys", ...keys);
  }

  async resize(cols: number, rows: number): Promise<void> {
    await this.#run("resize-window", "-x", String(cols), "-y", String(rows));
  }

  /** Lines of the screen, and those that scrolled off it if `withHistory`. */
  async screen(withHistory = false): Promise<string> {
    return await this.#run("capture-pane", "-p", ...(withHistory ? ["-S", "-"] : []));
  }

  /** Waits until the screen has this. @returns the screen. */
  async shows(what: string | RegExp): Promise<string> {
    let screen = "";
    await eventually(
      `the screen shows ${String(what)}`,
      async () => {
        screen = await this.screen();
        return typeof what === "string" ? screen.includes(what) : what.test(screen);
      },
      { timeoutMs: 30_000 },
    ).catch((error: unknown) => {
      throw new Error(`the screen does not show ${String(what)}:\n${screen}`, { cause: error });
    });
    return screen;
  }

  /** Whether a program uses the other screen, and whether it takes the mouse. */
  async modes(): Promise<string> {
    const format = "#{alternate_on} #{mouse_any_flag} #{cursor_flag}";
    return (await this.#run("display-message", "-p", format)).trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#run("kill-server").catch(() => undefined);
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #run(...args: readonly string[]): Promise<string> {
    const argv = ["tmux", "-S", join(this.#directory, "socket"), ...args] as const;
    return (await runCommand(argv, { env: this.#env })).stdout;
  }
}
