import { formatId, WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import type { BuildRow } from "@wrenn/database";
import type { ImportProgress } from "@wrenn/protocol";
import type { BaseImage, BaseImageRequest, BaseImages } from "./base-images.ts";
import type { FoundTemplate } from "../templates/templates.ts";
import { inPhase } from "./in-phase.ts";
import type { RequestedRecipe } from "./stored-recipe.ts";
import type { BuildReport } from "./template-builder.ts";

/** Milliseconds between two lines of a log that say how far a download is. */
const LINE_EVERY_MS = 5000;
const MIB = 2 ** 20;

/** Brings the image that a build starts from to a host, and says in its log how far that is. */
export async function importBase(
  { images, clock }: { readonly images: BaseImages; readonly clock: Clock },
  row: BuildRow,
  { login, imageArchive }: ImageSourceOfBuild,
  report: BuildReport,
  signal: AbortSignal,
): Promise<BaseImage> {
  const say = async (line: string): Promise<void> => await report.output("stdout", `${line}\n`);
  const lines = new ImportLines(say, () => clock.monotonic(), imageArchive !== undefined);
  const request = requestOf(row, { login, imageArchive });
  return await inPhase(report, "import", async () => {
    const image = await images.import(request, (progress) => lines.add(progress), signal);
    await say(`${row.base_template} is ${image.digest}`);
    return image;
  });
}

/**
 * The same once more, for a host that has lost the image since.
 *
 * @throws WrennError `template_not_found` where the name leads to another image by now: its settings would be those of the one before.
 */
export async function importAgain(
  images: BaseImages,
  row: BuildRow,
  { image, ...source }: ImageSourceOfBuild & { readonly image: BaseImage },
  signal: AbortSignal,
): Promise<FoundTemplate> {
  const { base, digest } = await images.import(requestOf(row, source), async () => {}, signal);
  if (digest === image.digest) return base;
  throw new WrennError("template_not_found", { template: image.base.hostKey });
}

type ImageSourceOfBuild = Pick<RequestedRecipe, "login" | "imageArchive">;

function requestOf(row: BuildRow, { login, imageArchive }: ImageSourceOfBuild): BaseImageRequest {
  const { team_id: teamId, base_template: reference } = row;
  return { teamId, build: formatId("build", row.id), reference, login, archive: imageArchive };
}

/** Says in a log how far an import is: once for each phase, and every few seconds of a download. */
class ImportLines {
  readonly #take: (line: string) => Promise<void>;
  readonly #now: () => number;
  readonly #isArchive: boolean;
  #phase: ImportProgress["phase"] | undefined;
  #saidAt = 0;

  /** @param now - milliseconds of a clock that does not jump. */
  constructor(take: (line: string) => Promise<void>, now: () => number, isArchive: boolean) {
    this.#take = take;
    this.#now = now;
    this.#isArchive = isArchive;
  }

  async add({ phase, doneBytes, totalBytes }: ImportProgress): Promise<void> {
    const isNew = phase !== this.#phase;
    const isDue = phase === "download" && this.#now() - this.#saidAt >= LINE_EVERY_MS;
    if (!isNew && !isDue) return;
    this.#phase = phase;
    this.#saidAt = this.#now();
    const total = totalBytes === 0 ? "" : ` of ${inMib(totalBytes)}`;
    const texts = {
      resolve: this.#isArchive ? "reading the archive" : "asking the registry",
      download: `${this.#isArchive ? "reading the layers" : "downloading"}: ${inMib(doneBytes)}${total}`,
      unpack: "unpacking",
      disk: "writing the disk",
    } as const satisfies Record<ImportProgress["phase"], string>;
    await this.#take(texts[phase]);
  }
}

function inMib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}
