import { WrennError } from "@wrenn/core";
import type { TSchema } from "typebox";
import { calls, LeaseShape } from "../wire/calls.ts";
import type { Call } from "../wire/calls.ts";
import { encodeValue } from "../wire/values.ts";
import { readArguments } from "./link-request.ts";
import type { LinkRequest } from "./link-request.ts";

/** A question with one answer. */
export async function answerCall(work: LinkRequest): Promise<void> {
  const { request, response, path, agent, signal, leases } = work;
  const name = path[1] ?? "";
  let value: unknown;
  if (name === "hold") leases.keep(await readArguments(request, LeaseShape));
  else {
    if (!Object.hasOwn(calls, name)) throw new WrennError("route_not_found", { method: "call", path: name });
    // The table says which arguments belong to which method; here they are only carried.
    const call = calls[name as keyof typeof calls] as unknown as Call<TSchema, TSchema>;
    value = await call.run(agent, await readArguments(request, call.args), signal);
  }
  response.writeHead(200, { "content-type": "application/json" });
  response.end(encodeValue({ value }));
}
