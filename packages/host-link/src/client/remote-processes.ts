import type {
  CapsuleProcess,
  CapsuleProcesses,
  OutputEvent,
  OutputStart,
  ProcessFacts,
} from "@wrenn/protocol";
import { OutputHeader } from "../wire/streams.ts";
import { checked } from "./link-client.ts";
import type { LinkClient } from "./link-client.ts";
import type { RemoteInputs } from "./remote-inputs.ts";

/** Processes of a capsule of another machine. */
export function remoteProcesses(client: LinkClient, inputs: RemoteInputs, id: string): CapsuleProcesses {
  return {
    start: async (request, signal) =>
      remoteProcess(client, inputs, id, await client.call("process.start", [id, request], signal)),
    find: async (selector, signal) =>
      remoteProcess(client, inputs, id, await client.call("process.find", [id, selector], signal)),
    list: async (signal) => await client.call("process.list", [id], signal),
    recent: async (signal) => await client.call("process.recent", [id], signal),
  };
}

function remoteProcess(
  client: LinkClient,
  inputs: RemoteInputs,
  id: string,
  facts: ProcessFacts,
): CapsuleProcess {
  const handle = { pid: facts.pid, startedAt: facts.startedAt };
  return {
    facts,
    output: (from, signal) => output(client, id, handle, from, signal),
    held: async (from, signal) => await client.call("process.held", [id, handle, from], signal),
    wait: async (signal) => await client.call("process.wait", [id, handle], signal),
    write: async (bytes, signal, offset) => await inputs.write(id, facts, bytes, signal, offset),
    closeInput: async (signal) => await inputs.close(id, facts, signal),
    kill: async (signalNumber, scope, signal) =>
      await client.call("process.kill", [id, handle, signalNumber, scope], signal),
    resize: async (cols, rows, signal) =>
      await client.call("process.resize", [id, handle, cols, rows], signal),
  };
}

async function* output(
  client: LinkClient,
  id: string,
  handle: { readonly pid: number; readonly startedAt: number },
  from: OutputStart,
  signal: AbortSignal,
): AsyncGenerator<OutputEvent> {
  const pieces = await client.stream("stream", "output", [id, handle, from], signal);
  for await (const { value, payload } of pieces) {
    const event = checked(OutputHeader, value);
    yield event.type === "data" ? { ...event, bytes: payload } : event;
  }
}
