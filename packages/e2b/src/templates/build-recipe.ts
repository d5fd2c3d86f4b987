import { WrennError } from "@wrenn/core";
import { formatReference, parseReference } from "@wrenn/oci";
import { parseRecipe, planRecipe } from "@wrenn/recipe";
import { Type } from "typebox";
import type { Static } from "typebox";
import { RegistryFields } from "../registries/registry-login.ts";
import { COPY_SCRIPT, STAGE } from "./copy-script.ts";
import { templateReference } from "./template-reference.ts";

const MAX_STEPS = 200;
const MAX_ARGUMENT = 65_536;
const USER = /^[a-z_][a-z0-9_.-]{0,31}$/i;
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,255}$/;
const HASH = "^[0-9a-f]{64}$";
/** The images behind the templates that clients call their base; here they are templates. */
const BASE_IMAGE = /^(?:docker\.io\/)?e2bdev\/base(?::latest)?$/;

/** Who steps run as, unless they or their template say otherwise. */
const DEFAULT_USER = "user";

const Step = Type.Object({
  type: Type.Union([
    Type.Literal("COPY"),
    Type.Literal("RUN"),
    Type.Literal("ENV"),
    Type.Literal("WORKDIR"),
    Type.Literal("USER"),
  ]),
  args: Type.Optional(Type.Array(Type.String({ maxLength: MAX_ARGUMENT }), { maxItems: 512 })),
  force: Type.Optional(Type.Boolean()),
  filesHash: Type.Optional(Type.String({ pattern: HASH })),
});
type Step = Static<typeof Step>;

/** What a client wants to be built. */
export const BuildFields = Type.Object({
  fromImage: Type.Optional(Type.String({ maxLength: 512 })),
  fromTemplate: Type.Optional(Type.String({ maxLength: 256 })),
  fromImageRegistry: Type.Optional(RegistryFields),
  startCmd: Type.Optional(Type.String({ maxLength: MAX_ARGUMENT })),
  readyCmd: Type.Optional(Type.String({ maxLength: MAX_ARGUMENT })),
  force: Type.Optional(Type.Boolean()),
  steps: Type.Optional(Type.Array(Step, { maxItems: MAX_STEPS })),
});
export type BuildFields = Static<typeof BuildFields>;

/** What of a template holds for builds from it. */
export interface BuildBase {
  readonly user?: string | undefined;
  readonly cwd?: string | undefined;
}

/** A recipe of the platform's language that does what a client's steps say. */
export interface ClientRecipe {
  readonly text: string;
  /** Hashes of the files that its copying steps take, by the numbers of these steps in the recipe. */
  readonly files: ReadonlyMap<number, string>;
  /** From this step of the recipe on, nothing is taken from earlier builds. */
  readonly repeatFrom: number | undefined;
}

/** The base as FROM names it. @throws WrennError `invalid_field`, `template_not_found`, `image_reference_invalid`. */
export function baseOf({ fromImage, fromTemplate }: BuildFields): {
  readonly from: string;
  readonly isTemplate: boolean;
} {
  if ((fromImage === undefined) === (fromTemplate === undefined))
    throw new WrennError("invalid_field", { field: "fromImage", problem: "or fromTemplate is needed" });
  if (fromTemplate !== undefined) return { from: templateReference(fromTemplate), isTemplate: true };
  const image = fromImage ?? "";
  if (BASE_IMAGE.test(image)) return { from: "base", isTemplate: true };
  // In full, so that no template of the same name is meant.
  return { from: formatReference(parseReference(image)), isTemplate: false };
}

/**
 * Writes the recipe of a build. A comment before each instruction says which step of the client it is of.
 *
 * @throws WrennError `invalid_field` naming the step that is wrong.
 */
export function recipeOf(fields: BuildFields, { user, cwd }: BuildBase): ClientRecipe {
  const { from, isTemplate } = baseOf(fields);
  const text = new RecipeText(from, { user: isTemplate ? (user ?? "root") : "root", cwd });
  // The settings of an image's own program are not those of a sandbox.
  if (!isTemplate) text.add("ENTRYPOINT []", "CMD []");
  if (!isTemplate || user === undefined) text.provision(DEFAULT_USER);
  for (const [at, step] of (fields.steps ?? []).entries()) text.step(step, at + 1);
  if (fields.startCmd) text.add(`ENTRYPOINT ${JSON.stringify(["/bin/bash", "-c", fields.startCmd])}`);
  return text.finish(fields.force === true ? 1 : undefined);
}

/** The readiness check of a build, which is a line for /bin/sh; empty without one. */
export function readinessCheck({ readyCmd }: BuildFields): string {
  if (!readyCmd) return "";
  return `--interval=1s /bin/bash -c '${readyCmd.replaceAll("'", String.raw`'\''`)}'`;
}

/** A recipe while it is written. */
class RecipeText {
  readonly #lines: string[];
  /** By the line of the instruction, from 1. */
  readonly #files = new Map<number, string>();
  #user: string;
  #directory: string;
  #forcedLine: number | undefined;

  constructor(from: string, { user, cwd }: { readonly user: string; readonly cwd: string | undefined }) {
    this.#lines = [`FROM ${from}`];
    this.#user = user;
    this.#directory = cwd ?? `~${user}`;
  }

  add(...lines: readonly string[]): void {
    this.#lines.push(...lines);
  }

  /** The user that sandboxes have by default, who may become root without a password. */
  provision(user: string): void {
    this.add("USER root", `RUN ${JSON.stringify(["/bin/sh", "-c", PROVISION, "provision", user])}`);
    this.#become(user);
    this.#directory = `/home/${user}`;
    this.add(`WORKDIR ${this.#directory}`);
  }

  step(step: Step, number: number): void {
    this.add(`# step ${number}`);
    if (step.force === true) this.#forcedLine ??= this.#lines.length;
    const { args = [] } = step;
    switch (step.type) {
      case "RUN":
        return this.#run(args, number);
      case "ENV":
        return this.#env(args, number);
      case "WORKDIR":
        return this.#workdir(args, number);
      case "USER":
        return this.#become(userOf(args[0], number), args[1] === "true");
      case "COPY":
        return this.#copy(args, step.filesHash, number);
    }
  }

  finish(repeatFrom: number | undefined): ClientRecipe {
    const text = `${this.#lines.join("\n")}\n`;
    const steps = planRecipe(parseRecipe(text, { file: "template" })).steps.map(
      ({ number, instruction }) => ({
        number,
        line: instruction.range.start.line,
      }),
    );
    const forced = steps.find(({ line }) => line > (this.#forcedLine ?? Infinity))?.number;
    return {
      text,
      files: new Map(
        steps.flatMap(({ number, line }) => {
          const hash = this.#files.get(line);
          return hash === undefined ? [] : [[number, hash] as const];
        }),
      ),
      repeatFrom: repeatFrom ?? forced,
    };
  }

  #run([command = "", user = ""]: readonly string[], number: number): void {
    const run = `RUN ${JSON.stringify(["/bin/bash", "-c", command])}`;
    if (user === "" || user === this.#user) {
      this.add(run);
      return;
    }
    const name = userOf(user, number);
    // Other than USER, a step does not create who it runs as.
    this.add("USER root", `# requires ${JSON.stringify({ command, user: name })}`);
    this.add(`RUN ${JSON.stringify(["/bin/sh", "-c", 'id -u -- "$1" >/dev/null', "requires", name])}`);
    this.add(`USER ${name}`, run, `USER ${this.#user}`);
  }

  #env(args: readonly string[], number: number): void {
    for (let at = 0; at < args.length; at += 2) {
      const [name = "", value = ""] = args.slice(at, at + 2);
      if (!NAME.test(name)) throw wrong(number, "ENV has a name that is none");
      if (/[\r\n\0]/.test(value)) throw wrong(number, `the value of ${name} has more than one line`);
      this.add(`ENV ${name}="${literal(value).replaceAll(/["\\]/g, "\\$&")}"`);
    }
  }

  #workdir([path = ""]: readonly string[], number: number): void {
    if (path === "" || /[\r\n\0]|\\$/.test(path)) throw wrong(number, "WORKDIR has no path");
    this.add(`WORKDIR ${literal(path)}`);
    this.#directory = path.startsWith("/") ? path : `${this.#directory}/${path}`;
  }

  #become(user: string, isAdministrator = false): void {
    if (isAdministrator)
      this.add("USER root", `RUN ${JSON.stringify(["/bin/sh", "-c", PROVISION, "provision", user])}`);
    this.add(`USER ${user}`);
    this.#user = user;
  }

  #copy(args: readonly string[], hash: string | undefined, number: number): void {
    const [source = "", target = "", owner = "", mode = ""] = args;
    if (source === "" || target === "" || hash === undefined)
      throw wrong(number, "COPY needs a source, a target and the hash of its files");
    if (!/^[0-7]{0,5}$/.test(mode)) throw wrong(number, "COPY has a mode that is not octal");
    const archive = `${STAGE}/${hash}`;
    this.add("USER root", `COPY ${JSON.stringify([`${hash}.tar`, archive])}`);
    this.#files.set(this.#lines.length, hash);
    const options = [source, target, owner === "" ? this.#user : owner, mode, this.#directory];
    this.add(`RUN ${JSON.stringify(["/bin/sh", "-c", COPY_SCRIPT, "copy", archive, ...options])}`);
    this.add(`USER ${this.#user}`);
  }
}

/** Creates a user who may become root without a password, where sudo is there. Argument: the name. */
const PROVISION = `
set -eu
id -u -- "$1" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash --user-group -- "$1"
[ ! -d /etc/sudoers.d ] || { echo "$1 ALL=(ALL) NOPASSWD:ALL" >"/etc/sudoers.d/90-$1"; chmod 0440 "/etc/sudoers.d/90-$1"; }
`;

function userOf(name: string | undefined, number: number): string {
  if (name !== undefined && USER.test(name)) return name;
  throw wrong(number, "names a user that cannot be one");
}

/** A text in which variables are expanded, and nothing else that begins with a dollar sign. */
function literal(text: string): string {
  return text.replaceAll(/\$(?![A-Za-z_{])/g, "$$$$");
}

function wrong(number: number, problem: string): WrennError {
  return new WrennError("invalid_field", { field: `steps.${number - 1}`, problem });
}
