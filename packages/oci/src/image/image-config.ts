import { digestProblem } from "../reference/digest.ts";
import {
  FormatError,
  listOf,
  optionalObject,
  parseObject,
  readDocument,
  textOf,
  textsOf,
} from "./json-fields.ts";
import type { JsonObject, TextListLimits } from "./json-fields.ts";
import { parseHealthcheck } from "./healthcheck.ts";
import type { OciHealthcheck } from "./healthcheck.ts";
import { platformOf } from "./manifest.ts";
import type { Platform } from "./platform.ts";

/** Linux passes no longer text to a program. */
const MAX_TEXT = 128 * 1024;
const WORDS: TextListLimits = { items: 4096, length: MAX_TEXT };
const MAX_NAME = 4096;
const MAX_PORTS = 1000;
const MAX_LABELS = 10_000;
/** Characters of names and values: they are shown with the template. */
const MAX_LABEL_TEXT = 256 * 1024;
const PORT = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/;

/** What an image says of the programs that run in it, and which layers it is made of. */
export interface OciImageConfig {
  readonly platform: Platform;
  /** Digests of the layers when they are decompressed, from the lowest up. */
  readonly diffIds: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Name or id, with `:group` where one is given; `root` where the image names none. */
  readonly user: string;
  /** Absolute; undefined where the image names none. */
  readonly workdir: string | undefined;
  /** What the shell form of commands is run by. */
  readonly shell: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** As the image writes it: `SIGTERM`, `TERM`, or a number. */
  readonly stopSignal: string | undefined;
  /** `8080/tcp`, sorted by their numbers. */
  readonly exposedPorts: readonly string[];
  readonly healthcheck: OciHealthcheck | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * Reads the configuration of an image.
 *
 * @param image - what errors call the image.
 * @throws WrennError `image_unsupported` naming the field that is wrong.
 */
export function readImageConfig(bytes: Uint8Array, image = "the image"): OciImageConfig {
  return readDocument(image, "its configuration", () => parseImageConfig(bytes));
}

/**
 * The configuration of an image (OCI image specification, config.md; Docker has the same fields, and `Shell` and `Healthcheck`).
 *
 * @throws FormatError naming the field.
 */
function parseImageConfig(bytes: Uint8Array): OciImageConfig {
  const json = parseObject(bytes);
  const config = optionalObject(json["config"], "config");
  const rootfs = optionalObject(json["rootfs"], "rootfs");
  const diffIds = textsOf(rootfs["diff_ids"], "rootfs.diff_ids", { items: 10_000, length: 255 });
  for (const diffId of diffIds) {
    const problem = digestProblem(diffId);
    if (problem !== undefined) throw new FormatError(`rootfs.diff_ids: ${problem}`);
  }
  const workdir = textOf(config["WorkingDir"], "WorkingDir", MAX_NAME);
  const shell = textsOf(config["Shell"], "Shell", WORDS);
  const stopSignal = textOf(config["StopSignal"], "StopSignal", 32);
  return {
    platform: platformOf(json),
    diffIds,
    env: envOf(config["Env"]),
    user: textOf(config["User"], "User", MAX_NAME) || "root",
    workdir: workdir === "" ? undefined : workdir.startsWith("/") ? workdir : `/${workdir}`,
    shell: shell.length === 0 ? ["/bin/sh", "-c"] : shell,
    entrypoint: commandOf(config["Entrypoint"], "Entrypoint"),
    cmd: commandOf(config["Cmd"], "Cmd"),
    stopSignal: stopSignal === "" ? undefined : stopSignal,
    exposedPorts: portsOf(optionalObject(config["ExposedPorts"], "ExposedPorts")),
    healthcheck: parseHealthcheck(config["Healthcheck"]),
    labels: labelsOf(optionalObject(config["Labels"], "Labels")),
  };
}

/** Of a name that is there twice the last value holds, as for Docker. */
function envOf(value: unknown): Readonly<Record<string, string>> {
  const variables = new Map<string, string>();
  for (const line of textsOf(value, "Env", WORDS)) {
    const equals = line.indexOf("=");
    if (equals === 0) throw new FormatError("Env has a variable without a name");
    // A name alone takes the value of Docker's own environment, which is no part of an image.
    if (equals !== -1) variables.set(line.slice(0, equals), line.slice(equals + 1));
  }
  return Object.fromEntries(variables);
}

/** Docker once wrote a command of one word as a text. */
function commandOf(value: unknown, name: string): readonly string[] {
  return typeof value === "string" ? [textOf(value, name, MAX_TEXT)] : textsOf(value, name, WORDS);
}

function portsOf(ports: JsonObject): readonly string[] {
  const found = new Set<string>();
  for (const written of listOf(Object.keys(ports), "ExposedPorts", MAX_PORTS)) {
    const [, first = "", last = first, protocol = "tcp"] = PORT.exec(String(written)) ?? [];
    const [from, to] = [Number(first), Number(last)];
    if (first === "" || from < 1 || to > 65_535 || to < from || found.size + to - from >= MAX_PORTS)
      throw new FormatError(`ExposedPorts has ${JSON.stringify(written).slice(0, 40)}`);
    for (let port = from; port <= to; port += 1) found.add(`${port}/${protocol}`);
  }
  return [...found].sort(
    (one, other) => Number.parseInt(one, 10) - Number.parseInt(other, 10) || (one < other ? -1 : 1),
  );
}

function labelsOf(labels: JsonObject): Readonly<Record<string, string>> {
  const names = listOf(Object.keys(labels), "Labels", MAX_LABELS);
  const pairs = names.map((name) => {
    const text = textOf(name, "a name of Labels", MAX_TEXT);
    return [text, textOf(labels[text], `Labels.${text}`, MAX_TEXT)] as const;
  });
  if (pairs.flat().reduce((sum, text) => sum + text.length, 0) > MAX_LABEL_TEXT)
    throw new FormatError(`Labels have more than ${MAX_LABEL_TEXT} characters`);
  return Object.fromEntries(pairs);
}
