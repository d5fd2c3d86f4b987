import { problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import type { CapsuleSpec, CapsuleStatus, HostAgent } from "@wrenn/protocol";
import { dialPort } from "./dial-port.ts";
import { LinkClient } from "./link-client.ts";
import { RemoteChanges } from "./remote-changes.ts";
import { payloads, remoteFiles } from "./remote-files.ts";
import { RemoteHolds } from "./remote-holds.ts";
import { RemoteInputs } from "./remote-inputs.ts";
import { plainListeners } from "./plain-listeners.ts";
import { plainStatus, plainStatuses } from "./plain-status.ts";
import { rememberAccepted } from "./remember-accepted.ts";
import { remoteProcesses } from "./remote-processes.ts";
import { Transport } from "./transport.ts";
import type { LinkTarget } from "./transport.ts";

/** Longer than people pause while they type; a stream that is opened again costs one round trip. */
const INPUT_IDLE_MS = 60_000;
const DESTROY_MS = 60_000;
/** For the longest answer over a slow line; a host sends an answer at once when it has it. */
const ANSWER_MS = 60_000;

export interface HostLinkOptions extends LinkTarget {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  /** Test seam: after this long without input the stream that carries it is closed, ms. */
  readonly inputIdleMs?: number;
  /** Test seam: how long the body of an answer may take once it has begun, ms. */
  readonly answerMs?: number;
}

/** The agent of a host on another machine. */
export interface LinkedHostAgent extends HostAgent {
  /** Ends its connections; what waits for an answer fails. */
  close(): void;
}

/**
 * A host agent on another machine, as if it were here: same results, same errors. Connections are made when they are needed. What
 * cannot reach the host rejects with `host_unavailable`; whether the host has done it is then not known.
 */
export function connectHostAgent(options: HostLinkOptions): LinkedHostAgent {
  const { accepts, clock } = options;
  const transport = new Transport({
    ...options,
    ...(accepts && { accepts: rememberAccepted(accepts, clock) }),
  });
  const client = new LinkClient(transport, options.answerMs ?? ANSWER_MS);
  const changes = new RemoteChanges(
    client,
    { name: "changes", read: (value) => plainStatus(value) },
    clock,
    options.logger,
  );
  const listeners = new RemoteChanges(
    client,
    { name: "listeners", read: (value) => plainListeners(value) },
    clock,
    options.logger,
  );
  const holds = new RemoteHolds(client, options.random, options.logger);
  const inputs = new RemoteInputs(client, options.inputIdleMs ?? INPUT_IDLE_MS);
  /**
   * What `make` makes. When it is aborted, or the host goes out of reach, the host may have made it: it is asked to end it. A host
   * that does not get that request either ends it when it finds that its answer cannot be delivered.
   */
  const orDestroyed = async <T>(
    capsules: readonly CapsuleSpec[],
    signal: AbortSignal,
    make: () => Promise<T>,
  ): Promise<T> => {
    // Nothing is asked of the host then.
    signal.throwIfAborted();
    try {
      return await make();
    } catch (error) {
      if (!signal.aborted && !WrennError.is(error, "host_unavailable")) throw error;
      for (const { id } of capsules)
        client.call("destroyCapsule", [id], AbortSignal.timeout(DESTROY_MS)).catch((problem: unknown) => {
          options.logger.debug("link.destroy_failed", { capsule: id, problem: problemOf(problem) });
        });
      throw error;
    }
  };
  const fork = async (
    way: "forkCapsule" | "forkEach",
    id: string,
    children: readonly CapsuleSpec[],
    signal: AbortSignal,
  ): Promise<readonly CapsuleStatus[]> =>
    await orDestroyed(children, signal, async () =>
      plainStatuses(
        await client.call(way, [id, children], signal),
        children.map((child) => child.id),
      ),
    );
  return {
    facts: (signal) => client.call("facts", [], signal),
    createCapsule: (spec, signal) =>
      orDestroyed([spec], signal, () => aboutOne(spec.id, client.call("createCapsule", [spec], signal))),
    destroyCapsule: async (id, signal) => await client.call("destroyCapsule", [id], signal),
    capsule: (id, signal) => aboutOne(id, client.call("capsule", [id], signal)),
    pauseCapsule: (id, signal) => aboutOne(id, client.call("pauseCapsule", [id], signal)),
    resumeCapsule: (id, signal) => aboutOne(id, client.call("resumeCapsule", [id], signal)),
    pauseToDisk: (id, signal) => aboutOne(id, client.call("pauseToDisk", [id], signal)),
    bootCapsule: (id, signal) => aboutOne(id, client.call("bootCapsule", [id], signal)),
    checkpointCapsule: (id, name, signal) => client.call("checkpointCapsule", [id, name ?? null], signal),
    listCheckpoints: (id, signal) => client.call("listCheckpoints", [id], signal),
    restoreCheckpoint: (id, checkpoint, signal) =>
      aboutOne(id, client.call("restoreCheckpoint", [id, checkpoint], signal)),
    deleteCheckpoint: async (id, checkpoint, signal) =>
      await client.call("deleteCheckpoint", [id, checkpoint], signal),
    forkCapsule: (id, children, signal) => fork("forkCapsule", id, children, signal),
    forkEach: (id, children, signal) => fork("forkEach", id, children, signal),
    createSnapshot: (id, template, signal) => client.call("createSnapshot", [id, template], signal),
    deleteSnapshot: async (key, signal) => await client.call("deleteSnapshot", [key], signal),
    describeTemplate: (key, signal) => client.call("describeTemplate", [key], signal),
    readTemplatePart: async (range, signal) =>
      payloads(await client.stream("bulk", "template-part", [range], signal)),
    beginTemplateCopy: (manifest, signal) => client.call("beginTemplateCopy", [manifest], signal),
    writeTemplatePart: async (range, content, signal) => {
      await client.upload("template-part", [range], content, signal);
    },
    finishTemplateCopy: (key, signal) => client.call("finishTemplateCopy", [key], signal),
    abandonTemplateCopy: async (key, signal) => await client.call("abandonTemplateCopy", [key], signal),
    cacheMoment: async (id, moment, signal) => await client.call("cacheMoment", [id, moment], signal),
    cachedMoments: (keys, signal) => client.call("cachedMoments", [keys], signal),
    dropMoments: async (keys, signal) => await client.call("dropMoments", [keys], signal),
    receiveImage: async (id, content, signal) => void (await client.upload("image", [id], content, signal)),
    dropImage: async (id, signal) => await client.call("dropImage", [id], signal),
    importImage: (request, signal) => client.call("importImage", [request], signal),
    importProgress: (id, signal) => client.call("importProgress", [id], signal),
    setNetwork: async (id, network, signal) => await client.call("setNetwork", [id, network], signal),
    changeSettings: async (id, change, signal) => await client.call("changeSettings", [id, change], signal),
    networkDecisions: (id, signal) => client.call("networkDecisions", [id], signal),
    metrics: (id, range, signal) => client.call("metrics", [id, range], signal),
    measurements: (id, query, signal) => client.call("measurements", [id, query], signal),
    listeners: async (id, signal) => plainListeners(await client.call("listeners", [id], signal), id),
    onListeners: (observer) => listeners.observe(observer),
    consoleLog: (id, from, signal) => client.call("consoleLog", [id, from], signal),
    listCapsules: async (signal) =>
      (await client.call("listCapsules", [], signal)).map((status) => plainStatus(status)),
    storage: (signal) => client.call("storage", [], signal),
    allowWaiting: (allowed, signal) => client.call("allowWaiting", [allowed], signal),
    listTemplates: (signal) => client.call("listTemplates", [], signal),
    hold: (id) => holds.hold(id),
    dial: (id, port, given) => dialPort(transport, id, port, given),
    processes: (id) => remoteProcesses(client, inputs, id),
    files: (id) => remoteFiles(client, id),
    onChange: (observer) => changes.observe(observer),
    close: () => {
      changes.close();
      listeners.close();
      holds.close();
      transport.close();
    },
  };
}

/** A host says only of the capsule that it was asked about how it is. */
async function aboutOne(id: string, answer: Promise<CapsuleStatus>): Promise<CapsuleStatus> {
  return plainStatus(await answer, id);
}
