import type { CreateOptions, LifetimeEnd } from "@wrenn/sdk";
import { FieldError } from "#lib/api/problem.ts";

/** A launch form as it was filled in; empty fields leave the default. */
export interface LaunchForm {
  name: string;
  template: string;
  vcpus: string;
  memoryMib: string;
  diskMib: string;
  idleMinutes: string;
  runMinutes: string;
  onLifetimeEnd: LifetimeEnd;
  /** `key=value`, one a line. */
  metadata: string;
  autoResume: boolean;
  user: string;
  cwd: string;
  /** `NAME=value`, one a line. */
  envs: string;
  egress: "template" | "allow" | "deny";
  /** Addresses, blocks and names, separated by white space. */
  allow: string;
  deny: string;
}

export const noLaunch: Readonly<LaunchForm> = {
  name: "",
  template: "",
  vcpus: "",
  memoryMib: "",
  diskMib: "",
  idleMinutes: "",
  runMinutes: "",
  onLifetimeEnd: "pause",
  metadata: "",
  autoResume: true,
  user: "",
  cwd: "",
  envs: "",
  egress: "template",
  allow: "",
  deny: "",
};

const MINUTE_MS = 60_000;

/** @throws FieldError which says what cannot be read; the server says what it does not take. */
export function launchOptions(form: LaunchForm): CreateOptions {
  const { autoResume, onLifetimeEnd, egress } = form;
  return {
    ...textOf("name", form.name),
    ...textOf("template", form.template),
    ...textOf("user", form.user),
    ...textOf("cwd", form.cwd),
    ...numberOf("vcpus", "vcpus", form.vcpus, 1),
    ...numberOf("memoryMib", "memory_mb", form.memoryMib, 1),
    ...numberOf("diskMib", "disk_mb", form.diskMib, 1),
    ...numberOf("idleTimeoutMs", "timeout_sec", form.idleMinutes, MINUTE_MS),
    ...numberOf("maxLifetimeMs", "max_lifetime_sec", form.runMinutes, MINUTE_MS),
    ...(form.runMinutes.trim() === "" ? {} : { onLifetimeEnd }),
    ...(form.metadata.trim() === "" ? {} : { metadata: metadataOf(form.metadata) }),
    ...(form.envs.trim() === "" ? {} : { envs: pairsOf(form.envs, "envs", "NAME=value") }),
    ...(egress === "template"
      ? {}
      : { network: { egress, allow: wordsOf(form.allow), deny: wordsOf(form.deny) } }),
    autoResume,
  };
}

/** Words that white space separates. */
export function wordsOf(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

/** Pairs of metadata, one a line: values may have spaces. @throws FieldError which names what is no pair. */
export function metadataOf(text: string): Readonly<Record<string, string>> {
  return pairsOf(text, "metadata", "key=value");
}

/** @throws FieldError */
function pairsOf(text: string, field: string, form: string): Readonly<Record<string, string>> {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  return Object.fromEntries(lines.map((line) => pairOf(line, field, form)));
}

function pairOf(text: string, field: string, form: string): readonly [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new FieldError(field, `'${text}' is not a pair: write ${form}`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function textOf(name: "name" | "template" | "user" | "cwd", text: string): CreateOptions {
  return text.trim() === "" ? {} : { [name]: text.trim() };
}

function numberOf(
  name: "vcpus" | "memoryMib" | "diskMib" | "idleTimeoutMs" | "maxLifetimeMs",
  field: string,
  text: string,
  unit: number,
): CreateOptions {
  if (text.trim() === "") return {};
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new FieldError(field, `'${text}' is not a number`);
  return { [name]: value * unit };
}
