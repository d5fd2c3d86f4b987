import { inspect } from "node:util";
import type { MimeBundle } from "./protocol.ts";

/** A method with this name returns the representations of its object by their MIME types, as in Deno's kernel. */
const DISPLAY = Symbol.for("Jupyter.display");

/** How a value is shown; an object may decide that itself, and take its time. */
export function representationsOf(value: unknown): MimeBundle | Promise<MimeBundle> {
  if (typeof value === "object" && value !== null && DISPLAY in value) {
    const method = value[DISPLAY];
    if (typeof method === "function") {
      const bundle: unknown = (method as () => unknown).call(value);
      return bundle instanceof Promise ? bundle.then(asBundle) : asBundle(bundle);
    }
  }
  if (typeof value === "string") return { "text/plain": value };
  const text = inspect(value, { depth: 4, maxArrayLength: 200 });
  return { "text/plain": value instanceof Error ? withoutOwnFrames(text) : text };
}

/**
 * What `display(value)` shows, and `display(bundle, { raw: true })`.
 *
 * @throws TypeError when a raw value is no object.
 */
export function displayed(
  value: unknown,
  options?: { readonly raw?: boolean },
): MimeBundle | Promise<MimeBundle> {
  return options?.raw === true ? asBundle(value) : representationsOf(value);
}

function asBundle(value: unknown): MimeBundle {
  if (typeof value !== "object" || value === null)
    throw new TypeError("representations must be an object with MIME types as its keys");
  return { ...value };
}

/** A trace without what the kernel itself has called. */
function withoutOwnFrames(trace: string): string {
  const isOwn = (line: string): boolean =>
    /^\s+at .*(?:node:|new Promise \(<anonymous>\)|Worker\.<anonymous>)/.test(line) ||
    line.includes(import.meta.dirname);
  return trace
    .split("\n")
    .filter((line) => !isOwn(line))
    .join("\n");
}

/** An exception as the protocol has it. */
export function errorOf(thrown: unknown): {
  readonly name: string;
  readonly value: string;
  readonly traceback: string;
} {
  if (!(thrown instanceof Error))
    return { name: "Error", value: inspect(thrown), traceback: inspect(thrown) };
  const traceback = withoutOwnFrames(thrown.stack ?? String(thrown));
  return { name: thrown.name, value: thrown.message, traceback };
}
