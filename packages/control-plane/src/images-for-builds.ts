import { createHash } from "node:crypto";
import { problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { HostAgent, ImportProgress } from "@wrenn/protocol";
import type { BaseImage, BaseImageRequest, BaseImages } from "./builds/base-images.ts";
import type { Fleet } from "./hosts/fleet.ts";

const LOOK_MS = 500;

export interface ImagesForBuildsDeps {
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Images that builds start from: imported on a host that the team may use, always the same one for a reference while it is there. */
export class ImagesForBuilds implements BaseImages {
  readonly #deps: ImagesForBuildsDeps;

  constructor(deps: ImagesForBuildsDeps) {
    this.#deps = deps;
  }

  async import(
    { teamId, build, reference, login }: BaseImageRequest,
    onProgress: (progress: ImportProgress) => Promise<void>,
    signal: AbortSignal,
  ): Promise<BaseImage> {
    const { fleet } = this.#deps;
    const hosts = [...(await fleet.templatesByHost(teamId)).keys()];
    const [hostId] = hosts.sort((one, other) =>
      placeOf(reference, one) < placeOf(reference, other) ? -1 : 1,
    );
    if (hostId === undefined) throw new WrennError("no_hosts", {});
    const host = fleet.agent(hostId);
    const ended = new AbortController();
    const looking = this.#look(host, build, onProgress, AbortSignal.any([signal, ended.signal]));
    try {
      const { template, digest, diskMib, settings } = await host.importImage(
        { id: build, reference, ...(login && { login }) },
        signal,
      );
      return { base: { hostKey: template, hostId, diskMib, envNames: [] }, digest, settings };
    } finally {
      ended.abort();
      await looking;
    }
  }

  async #look(
    host: HostAgent,
    id: string,
    onProgress: (progress: ImportProgress) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, logger } = this.#deps;
    while (!signal.aborted)
      try {
        const progress = await host.importProgress(id, signal);
        if (progress) await onProgress(progress);
        await clock.sleep(LOOK_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        // The import says itself what is wrong.
        logger.warn("build.import_unseen", { build: id, problem: problemOf(error) });
        return;
      }
  }
}

/** Of a host for a reference: hosts that come and go move few references. */
function placeOf(reference: string, hostId: string): string {
  return createHash("sha256").update(`${reference} ${hostId}`).digest("hex");
}
