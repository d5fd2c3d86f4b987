import { parseDuration } from "../syntax/duration.ts";
import { checkFlags, flagValue, splitFlags } from "../syntax/flags.ts";
import { quote, refuse } from "../syntax/refusal.ts";
import { suggest } from "../syntax/suggest.ts";
import type { Written } from "../syntax/written.ts";
import { requireContextPath } from "../plan/plan-values.ts";
import { parseRunCommand } from "./command.ts";
import type { InstructionBody, RawInstruction, RunMount } from "./instruction.ts";

const REFUSED = {
  network: "A build's network follows the rules of its team. Remove the flag.",
  security: "Commands run as root of a machine of their own already. Remove the flag.",
  device: "Remove the flag.",
};
const SECRET_ID = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** RUN, with the flags that Docker has for secrets and caches and the contract's `--timeout`. */
export function parseRun(raw: RawInstruction): InstructionBody {
  const { flags, rest } = splitFlags(raw.args);
  checkFlags(flags, {
    keyword: "RUN",
    allowed: ["timeout", "mount"],
    repeated: ["mount"],
    refused: REFUSED,
  });
  const timeout = flags.find(({ name }) => name === "timeout");
  const written = flags.filter(({ name }) => name === "mount").map((flag) => flagValue(flag));
  const mounts = written.map(parseMount);
  const second = written.filter((_, at) => mounts[at]?.type === "bind")[1];
  if (second !== undefined)
    refuse(
      second,
      "a step has at most one mount of type bind",
      "Put what the step needs into one directory of the context.",
    );
  return {
    kind: "RUN",
    timeoutMs: timeout && requirePositive(flagValue(timeout)),
    mounts,
    command: parseRunCommand(rest, raw),
  };
}

/** The value of RUN's `--timeout`. */
export function requirePositive(value: Written): number {
  const ms = parseDuration(value);
  if (ms < 1) refuse(value, "the timeout must be at least 1 ms", "Write a timeout of at least 1ms.");
  return ms;
}

/** Fields of a mount by its type, with their other names. */
const FIELDS: Readonly<Record<RunMount["type"], Readonly<Record<string, string>>>> = {
  secret: {
    id: "id",
    target: "target",
    dst: "target",
    destination: "target",
    env: "env",
    required: "required",
  },
  cache: { id: "id", target: "target", dst: "target", destination: "target", sharing: "sharing" },
  bind: {
    source: "source",
    src: "source",
    target: "target",
    dst: "target",
    destination: "target",
    readonly: "readonly",
    ro: "readonly",
  },
};

function parseMount(value: Written): RunMount {
  const fields = new Map<string, Written>();
  let at = 0;
  for (const text of value.text.split(",")) {
    const field = value.slice(at, at + text.length);
    at += text.length + 1;
    const equals = text.indexOf("=");
    const name = (equals === -1 ? text : text.slice(0, equals)).toLowerCase();
    if (name === "")
      refuse(field, "an empty field of --mount", "Write fields as name=value, with one comma in between.");
    if (fields.has(name)) refuse(field, `${name} is specified twice`, `Remove one ${name}.`);
    fields.set(name, equals === -1 ? field.slice(text.length) : field.slice(equals + 1));
  }
  const type = fields.get("type");
  if (type === undefined) refuse(value, "the mount has no type", "Write --mount=type=secret,id=NAME.");
  if (type.text !== "secret" && type.text !== "cache" && type.text !== "bind")
    refuse(
      type,
      `mounts of type ${quote(type.text)} are not supported in recipes`,
      "Available: secret, cache, bind.",
    );
  const known = FIELDS[type.text];
  const given = new Map<string, Written>();
  for (const [name, field] of fields) {
    if (name === "type") continue;
    const meant = known[name];
    if (meant === undefined)
      refuse(
        field,
        `mounts of type ${type.text} have no field ${quote(name)}`,
        suggest(name, Object.keys(known)),
      );
    if (given.has(meant)) refuse(field, `${meant} is specified twice`, `Remove one ${meant}.`);
    given.set(meant, field);
  }
  return { secret: secretOf, cache: cacheOf, bind: bindOf }[type.text](value, given);
}

function secretOf(value: Written, given: ReadonlyMap<string, Written>): RunMount {
  const target = given.get("target");
  const env = given.get("env");
  const id = given.get("id") ?? (target && target.slice(target.text.lastIndexOf("/") + 1)) ?? env;
  if (id === undefined) refuse(value, "the secret has no id", "Write --mount=type=secret,id=NAME.");
  if (!SECRET_ID.test(id.text))
    refuse(
      id,
      `${quote(id.text)} is not the name of a secret`,
      "Names have letters, digits, underscores, dots and dashes.",
    );
  if (env !== undefined && !VARIABLE.test(env.text))
    refuse(
      env,
      `${quote(env.text)} is not the name of a variable`,
      "Names have letters, digits and underscores.",
    );
  // As in Docker: a secret is a file unless it is asked for as a variable only.
  const path = target?.text ?? (env === undefined ? `/run/secrets/${id.text}` : undefined);
  if (target !== undefined) requireAbsolute(target);
  return {
    type: "secret",
    id: id.text,
    target: path,
    env: env?.text,
    required: flagOf("required", given.get("required")),
  };
}

function cacheOf(value: Written, given: ReadonlyMap<string, Written>): RunMount {
  const target = given.get("target");
  if (target === undefined)
    refuse(value, "the cache has no target", "Write --mount=type=cache,target=/absolute/path.");
  requireAbsolute(target);
  const sharing = given.get("sharing");
  if (sharing !== undefined && !["shared", "private", "locked"].includes(sharing.text))
    refuse(sharing, `${quote(sharing.text)} is not a way of sharing`, "Available: shared, private, locked.");
  const id = given.get("id");
  return {
    type: "cache",
    target: target.text,
    id: id === undefined || id.text === "" ? target.text : id.text,
  };
}

function bindOf(value: Written, given: ReadonlyMap<string, Written>): RunMount {
  const target = given.get("target");
  if (target === undefined)
    refuse(value, "the mount has no target", "Write --mount=type=bind,source=PATH,target=/absolute/path.");
  requireAbsolute(target);
  const readonly = given.get("readonly");
  if (readonly !== undefined && !flagOf("readonly", readonly))
    refuse(readonly, "mounts of type bind are read-only", "Remove the field, and write elsewhere.");
  const source = given.get("source");
  return {
    type: "bind",
    source: source === undefined ? "" : requireContextPath(source, source.text),
    position: (source ?? value).positionAt(0),
    target: target.text,
  };
}

function requireAbsolute(path: Written): void {
  if (!path.text.startsWith("/") || path.text.split("/").includes(".."))
    refuse(
      path,
      `${quote(path.text)} is not an absolute path`,
      "Begin the path with a slash, without .. in it.",
    );
}

function flagOf(name: string, field: Written | undefined): boolean {
  if (field === undefined || field.text === "false" || field.text === "0") return false;
  if (field.text === "" || field.text === "true" || field.text === "1") return true;
  return refuse(
    field,
    `${quote(field.text)} is neither true nor false`,
    `Write ${name}=true or ${name}=false.`,
  );
}
