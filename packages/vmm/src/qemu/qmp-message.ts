import { plainText } from "./plain-text.ts";

/** One line of QEMU, in the form that QEMU's documentation gives it ("QEMU Machine Protocol Specification"). */
export type QmpMessage =
  | { readonly kind: "greeting" }
  | { readonly kind: "event"; readonly name: string }
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | { readonly kind: "refusal"; readonly id: number; readonly problem: string };

const EVENT = /^[A-Z][A-Z0-9_]{0,63}$/;
/** Characters of an error's description that are kept. */
const PROBLEM_LIMIT = 300;
/** Characters of a line that an error shows. */
const SHOWN = 80;

/** A QEMU that does not keep to its protocol: nothing that it sends can be relied on. */
export class QmpViolation extends Error {
  override readonly name = "QmpViolation";
}

/** @throws QmpViolation for every line that is none of these messages. */
export function parseMessage(line: string): QmpMessage {
  const message = parseObject(line);
  if (message["QMP"] !== undefined) return { kind: "greeting" };
  const { event, error, id } = message;
  if (event !== undefined) {
    if (typeof event !== "string" || !EVENT.test(event)) throw violation("an event without a name", line);
    return { kind: "event", name: event };
  }
  // Each command of this driver has a number, which QEMU repeats.
  if (typeof id !== "number" || !Number.isSafeInteger(id))
    throw violation("an answer without the number of a command", line);
  if (error === undefined) {
    if (!("return" in message)) throw violation("an answer without a result", line);
    return { kind: "answer", id, value: message["return"] };
  }
  if (!isRecord(error) || typeof error["desc"] !== "string")
    throw violation("an error without a description", line);
  return { kind: "refusal", id, problem: plainText(error["desc"], PROBLEM_LIMIT) };
}

/** Whether a value of QEMU's is an object with fields. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseObject(line: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw violation("a line that is not JSON", line);
  }
  if (!isRecord(value)) throw violation("a line that is not an object", line);
  return value;
}

function violation(what: string, line: string): QmpViolation {
  return new QmpViolation(`${what}: ${plainText(line, SHOWN)}`);
}
