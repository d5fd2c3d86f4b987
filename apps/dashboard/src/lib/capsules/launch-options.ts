import type { CreateOptions } from "@wrenn/sdk";

/** A launch form as it was filled in; empty fields leave the default. */
export interface LaunchForm {
  name: string;
  template: string;
  vcpus: string;
  memoryMib: string;
  idleMinutes: string;
  runMinutes: string;
  /** `key=value`, separated by spaces. */
  metadata: string;
  autoResume: boolean;
}

export const noLaunch: Readonly<LaunchForm> = {
  name: "",
  template: "",
  vcpus: "",
  memoryMib: "",
  idleMinutes: "",
  runMinutes: "",
  metadata: "",
  autoResume: true,
};

const MINUTE_MS = 60_000;

/** @throws Error which says what cannot be read; the server says what it does not take. */
export function launchOptions(form: LaunchForm): CreateOptions {
  return {
    ...textOf("name", form.name),
    ...textOf("template", form.template),
    ...numberOf("vcpus", "vCPUs", form.vcpus, 1),
    ...numberOf("memoryMib", "memory", form.memoryMib, 1),
    ...numberOf("idleTimeoutMs", "idle minutes", form.idleMinutes, MINUTE_MS),
    ...numberOf("maxLifetimeMs", "minutes of a run", form.runMinutes, MINUTE_MS),
    ...(form.metadata.trim() === "" ? {} : { metadata: pairsOf(form.metadata) }),
    autoResume: form.autoResume,
  };
}

function textOf(name: "name" | "template", text: string): CreateOptions {
  return text.trim() === "" ? {} : { [name]: text.trim() };
}

function numberOf(
  name: "vcpus" | "memoryMib" | "idleTimeoutMs" | "maxLifetimeMs",
  label: string,
  text: string,
  unit: number,
): CreateOptions {
  if (text.trim() === "") return {};
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new Error(`'${text}' is no number for ${label}`);
  return { [name]: value * unit };
}

function pairsOf(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    text
      .trim()
      .split(/\s+/)
      .map((pair) => {
        const at = pair.indexOf("=");
        if (at < 1) throw new Error(`'${pair}' is no pair of metadata: write key=value`);
        return [pair.slice(0, at), pair.slice(at + 1)] as const;
      }),
  );
}
