import { defined } from "@wrenn/core";
import type { TemplateDefaults } from "./build-capsules.ts";

/** Variables of the build's own shell and capsule, which no template takes with it. */
const NOT_KEPT: ReadonlySet<string> = new Set([
  "HOME",
  "USER",
  "LOGNAME",
  "SHELL",
  "PWD",
  "OLDPWD",
  "HOSTNAME",
  "TERM",
  "SHLVL",
  "_",
  "WRENN_SANDBOX_ID",
  "WRENN_TEMPLATE_ID",
]);

/** Whose processes a step starts, where, and with which variables. */
export interface StepScope {
  readonly user: string;
  /** Default: the home of the user. */
  readonly cwd?: string;
  readonly envs: Readonly<Record<string, string>>;
}

/** What ENV, USER and WORKDIR have set until now. */
export class RecipeSettings {
  user = "root";
  /** Of WORKDIR; the home of the user until then. */
  cwd: string | undefined;
  readonly #inherited: Readonly<Record<string, string>>;
  readonly #set: Record<string, string> = {};

  /** @param inherited - the environment of a command of the capsule that the build began with. */
  constructor(inherited: Readonly<Record<string, string>>) {
    this.#inherited = inherited;
  }

  get scope(): StepScope {
    return { user: this.user, envs: { ...this.#set }, ...defined({ cwd: this.cwd }) };
  }

  /** What the template's capsules start with. */
  get defaults(): TemplateDefaults {
    const kept = Object.entries(this.#inherited).filter(([name]) => !NOT_KEPT.has(name));
    const envs = { ...Object.fromEntries(kept), ...this.#set };
    return { user: this.user, envs, ...defined({ cwd: this.cwd }) };
  }

  /** Sets a variable. In the value `$X` and `${X}` stand for variables, unknown ones for nothing, and `$$` for `$`. */
  setVariable(name: string, value: string): void {
    this.#set[name] = value.replaceAll(
      /\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))/g,
      (all, braced?: string, bare?: string) => (all === "$$" ? "$" : this.#variable(braced ?? bare ?? "")),
    );
  }

  /** A path as the step means it. */
  resolve(path: string): string {
    return path.startsWith("/") ? path : `${this.#here.replace(/\/$/, "")}/${path}`;
  }

  get #here(): string {
    return this.cwd ?? homeOf(this.user);
  }

  #variable(name: string): string {
    if (Object.hasOwn(this.#set, name)) return this.#set[name] ?? "";
    if (name === "HOME") return homeOf(this.user);
    if (name === "USER" || name === "LOGNAME") return this.user;
    if (name === "PWD") return this.#here;
    return Object.hasOwn(this.#inherited, name) ? (this.#inherited[name] ?? "") : "";
  }
}

function homeOf(user: string): string {
  return user === "root" ? "/root" : `/home/${user}`;
}

/** The variables that `env -0` prints. */
export function environmentOf(output: string): Readonly<Record<string, string>> {
  const entries = output.split("\0").filter((line) => line.includes("="));
  return Object.fromEntries(
    entries.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}
