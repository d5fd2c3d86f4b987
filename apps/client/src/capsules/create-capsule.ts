import { setTimeout as delay } from "node:timers/promises";
import { isWrennError } from "@wrenn/sdk";
import type { Capsule, CreateOptions } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { escapeText } from "../output/escape-text.ts";

const WAIT_MS = 2000;

/**
 * Creates a capsule. A built-in template that is built for its first use is waited for, and what is done is shown.
 *
 * @throws WrennError as `capsules.create`; the reason of the command's signal.
 */
export async function createCapsule(context: Context, options: CreateOptions): Promise<Capsule> {
  const { output, signal } = context;
  const wrenn = await context.wrenn();
  let shown = "";
  for (;;)
    try {
      return await wrenn.capsules.create({ ...options, signal });
    } catch (error) {
      if (!isWrennError(error) || error.reason !== "template_being_built") throw error;
      if (error.message !== shown && !output.isJson) output.note(`wrenn: ${escapeText(error.message)}`);
      shown = error.message;
      await delay(error.retryAfterMs ?? WAIT_MS, undefined, { signal });
    }
}
