import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { WrennError } from "@wrenn/core";
import type { TSchema } from "typebox";
import { calls, LeaseShape } from "../wire/calls.ts";
import type { Call } from "../wire/calls.ts";
import { encodeValue } from "../wire/values.ts";
import { readArguments } from "./link-request.ts";
import type { LinkRequest } from "./link-request.ts";

const UNDO_MS = 60_000;

/** A question with one answer. What it made is ended when the answer cannot be delivered: its caller does not know of it. */
export async function answerCall(work: LinkRequest): Promise<void> {
  const { request, response, path, agent, signal, leases } = work;
  const name = path[1] ?? "";
  if (name === "hold") {
    leases.keep(await readArguments(request, LeaseShape));
    await send(response, undefined);
  } else {
    if (!Object.hasOwn(calls, name)) throw new WrennError("route_not_found", { method: "call", path: name });
    // The table says which arguments belong to which method; here they are only carried.
    const call = calls[name as keyof typeof calls] as unknown as Call<TSchema, TSchema>;
    const args = await readArguments(request, call.args);
    const value = await call.run(agent, args, signal);
    if (await send(response, value)) return;
    await call.undo?.(agent, args, AbortSignal.timeout(UNDO_MS));
  }
}

/** @returns whether the whole answer was handed to the operating system before the connection closed. */
async function send(response: ServerResponse, value: unknown): Promise<boolean> {
  if (response.destroyed) return false;
  const closed = once(response, "close");
  response.writeHead(200, { "content-type": "application/json" });
  response.end(encodeValue({ value }));
  await closed;
  return response.writableFinished;
}
