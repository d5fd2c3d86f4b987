import { openAsBlob } from "node:fs";
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import type { Build, ImageImportOptions } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { ClientError } from "../errors/client-error.ts";
import { escapeText } from "../output/escape-text.ts";
import { ProgressBar } from "../output/progress-bar.ts";
import { sizeText } from "../output/size-text.ts";
import { explain, follow, isQuiet } from "./build.ts";
import type { BuildVerbOptions, Followed } from "./build.ts";

export interface ImportVerbOptions extends Pick<
  BuildVerbOptions,
  "tag" | "registryUser" | "vcpus" | "memory" | "progress" | "detach"
> {
  /** Which image of an archive. */
  readonly image?: string;
}

/** An archive of images on this machine. */
export interface LocalArchive {
  readonly path: string;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

/** What is meant for a path although there is no such file. */
const PATH = /^(?:\.{0,2}\/|\.{1,2}$)/;

/**
 * The archive that an argument names; undefined where it is the image of a registry.
 *
 * @throws ClientError `file_unreadable` for a path where there is no file.
 */
export async function findArchive(argument: string): Promise<LocalArchive | undefined> {
  try {
    const found = await stat(argument);
    if (found.isFile()) return { path: argument, name: basename(argument), size: found.size };
    if (PATH.test(argument)) throw unreadable(`${argument} is not a file`);
  } catch (error) {
    if (error instanceof ClientError) throw error;
    if (PATH.test(argument)) throw unreadable(error instanceof Error ? error.message : String(error));
  }
  return undefined;
}

/** Sends an archive and makes a template of its image. Shows how much is sent, and then the same as `build`. */
export async function importArchive(
  context: Context,
  { path, name: archiveName, size, template: name }: LocalArchive & { readonly template: string },
  options: ImportVerbOptions,
): Promise<void> {
  const { output, signal, terminal } = context;
  const wrenn = await context.wrenn();
  const bar = new ProgressBar(terminal.stderr);
  const isShown = !isQuiet(context, options);
  if (isShown) output.note(`sending ${escapeText(archiveName)} (${sizeText(size)})`);
  const what: ImageImportOptions = {
    name,
    archive: await openFile(path),
    archiveName,
    image: options.image,
    onSent: (bytes) => {
      if (isShown) bar.show(Math.min(bytes, size), size);
    },
    vcpus: options.vcpus,
    memoryMib: options.memory,
    signal,
  };
  try {
    if (options.detach === true) {
      const started = await wrenn.builds.importImage(what);
      bar.clear();
      output.data(started, () => `${started.id}\n`);
      return;
    }
    const run = async ({ onStart, onLog }: Followed): Promise<Build> =>
      await wrenn.templates.importImage({
        ...what,
        onStart: (build) => {
          bar.clear();
          onStart(build);
        },
        onLog,
      });
    const ended = await follow(context, wrenn, run, options);
    output.data(ended, () => `${ended.name}\n`);
  } catch (error) {
    bar.clear();
    throw explain(error, { file: archiveName, steps: [] }, context);
  }
}

async function openFile(path: string): Promise<Blob> {
  try {
    return await openAsBlob(path);
  } catch (error) {
    throw unreadable(error instanceof Error ? error.message : String(error));
  }
}

function unreadable(problem: string): ClientError {
  return new ClientError("usage", "file_unreadable", problem, "Name an archive that this user may read.");
}
