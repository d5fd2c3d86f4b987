import { createHash } from "node:crypto";
import { defined, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import type { HostAgent, ImportProgress } from "@wrenn/protocol";
import type { BaseImage, BaseImageRequest, BaseImages, ReceivedImage } from "./builds/base-images.ts";
import type { Fleet } from "./hosts/fleet.ts";

const LOOK_MS = 500;
const DROP_MS = 10_000;

export interface ImagesForBuildsDeps {
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Images that builds start from: imported on a host that the team may use, always the same one for a reference while it is there. */
export class ImagesForBuilds implements BaseImages {
  readonly #deps: ImagesForBuildsDeps;

  constructor(deps: ImagesForBuildsDeps) {
    this.#deps = deps;
  }

  async import(
    { teamId, build, reference, login, archive }: BaseImageRequest,
    onProgress: (progress: ImportProgress) => Promise<void>,
    signal: AbortSignal,
  ): Promise<BaseImage> {
    const { fleet } = this.#deps;
    const hostId = archive?.hostId ?? (await this.#hostFor(reference, teamId));
    const host = fleet.agent(hostId);
    const ended = new AbortController();
    const looking = this.#look(host, build, onProgress, AbortSignal.any([signal, ended.signal]));
    try {
      const { template, digest, diskMib, settings } = await host.importImage(
        {
          id: build,
          reference,
          ...(login && { login }),
          ...(archive && { archive: { id: archive.id, ...defined({ image: archive.image }) } }),
        },
        signal,
      );
      return { base: { hostKey: template, hostId, diskMib, envNames: [] }, digest, settings };
    } finally {
      ended.abort();
      await looking;
    }
  }

  async receive(
    teamId: string,
    content: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<ReceivedImage> {
    const { fleet, random } = this.#deps;
    // One host for all archives of a team: it knows an image that it is sent again.
    const archive = { hostId: await this.#hostFor(teamId, teamId), id: random.uuid() };
    try {
      await fleet.agent(archive.hostId).receiveImage(archive.id, content, signal);
      return archive;
    } catch (error) {
      // An answer that is lost may be that of a host that has it.
      if (WrennError.is(error, "host_unavailable")) await this.drop(archive);
      throw error;
    }
  }

  async drop({ hostId, id }: ReceivedImage): Promise<void> {
    const { fleet, logger } = this.#deps;
    try {
      await fleet.agent(hostId).dropImage(id, AbortSignal.timeout(DROP_MS));
    } catch (error) {
      logger.warn("build.image_left", { host: hostId, archive: id, problem: problemOf(error) });
    }
  }

  /** @throws WrennError `no_hosts`. */
  async #hostFor(reference: string, teamId: string): Promise<string> {
    const hosts = [...(await this.#deps.fleet.templatesByHost(teamId)).keys()];
    const [hostId] = hosts.sort((one, other) =>
      placeOf(reference, one) < placeOf(reference, other) ? -1 : 1,
    );
    if (hostId === undefined) throw new WrennError("no_hosts", {});
    return hostId;
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
