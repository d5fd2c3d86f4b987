import { setTimeout as delay } from "node:timers/promises";
import { isWrennError } from "@wrenn/sdk";
import type { Capsule, CreateOptions, CreateProgress } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { escapeText } from "../output/escape-text.ts";
import { ProgressBar } from "../output/progress-bar.ts";

const WAIT_MS = 2000;

/**
 * Creates a capsule. A built-in template that is built for its first use is waited for, and what is done is shown; likewise the copy of
 * a template to the capsule's host.
 *
 * @throws WrennError as `capsules.create`; the reason of the command's signal.
 */
export async function createCapsule(context: Context, options: CreateOptions): Promise<Capsule> {
  const { output, signal, terminal } = context;
  const wrenn = await context.wrenn();
  const bar = new ProgressBar(terminal.stderr);
  let shown = "";
  const note = (text: string): void => {
    if (text !== shown && !output.isJson) output.note(`wrenn: ${escapeText(text)}`);
    shown = text;
  };
  const onProgress = ({ doneBytes, totalBytes }: CreateProgress): void => {
    if (output.isJson) return;
    if (terminal.stderr.isTTY) bar.show(doneBytes, totalBytes, "copying the template");
    else note("copying the template to the host of the capsule");
  };
  for (;;)
    try {
      return await wrenn.capsules.create({ ...options, signal, onProgress });
    } catch (error) {
      if (!isWrennError(error) || error.reason !== "template_being_built") throw error;
      note(error.message);
      await delay(error.retryAfterMs ?? WAIT_MS, undefined, { signal });
    } finally {
      bar.clear();
    }
}
