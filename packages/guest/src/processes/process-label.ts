import { WrennError } from "@wrenn/core";
import type { ProcessFacts, StartRequest } from "@wrenn/protocol";

/** Longest label that the guest keeps (guest protocol §5). */
const LABEL_LIMIT = 65_536;
const SHORT_TEXT = 200;
const SHORT_LIST = 20;

/** What the guest keeps about a process for a host that has forgotten it. */
export interface ProcessLabel {
  readonly tag: string;
  readonly cmd: string;
  readonly args: readonly string[];
  readonly startedAt: number;
  readonly attached: boolean;
}

/** A command line too long for the label is cut there: it serves for show only. */
export function encodeLabel(facts: ProcessFacts, output: StartRequest["output"]): Buffer {
  const { tag = "", cmd, args, startedAt } = facts;
  const label: ProcessLabel = { tag, cmd, args, startedAt, attached: output === "attached" };
  const whole = Buffer.from(JSON.stringify(label));
  if (whole.length <= LABEL_LIMIT) return whole;
  const cut = (text: string): string => text.slice(0, SHORT_TEXT);
  return Buffer.from(JSON.stringify({ ...label, cmd: cut(cmd), args: args.slice(0, SHORT_LIST).map(cut) }));
}

/**
 * Reads a label back; the guest may have changed it.
 *
 * @throws WrennError `guest_protocol` when it is not one.
 */
export function decodeLabel(bytes: Buffer): ProcessLabel {
  let label: unknown;
  try {
    label = JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new WrennError("guest_protocol", { problem: "a process label that is not JSON" }, { cause });
  }
  if (!isLabel(label))
    throw new WrennError("guest_protocol", { problem: "a process label without its fields" });
  return label;
}

function isLabel(value: unknown): value is ProcessLabel {
  if (typeof value !== "object" || value === null) return false;
  const { tag, cmd, args, startedAt, attached } = value as Partial<Record<keyof ProcessLabel, unknown>>;
  return (
    typeof tag === "string" &&
    typeof cmd === "string" &&
    Array.isArray(args) &&
    args.every((argument) => typeof argument === "string") &&
    typeof startedAt === "number" &&
    typeof attached === "boolean"
  );
}
