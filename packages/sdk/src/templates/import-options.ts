import type { CallOptions } from "../transport/call-options.ts";
import type { Build, BuildLogLine } from "./build.ts";

/** An image that becomes a template as it is. */
export interface ImageImportOptions extends CallOptions {
  /** `name` or `name:tag` of the template. */
  readonly name: string;
  /**
   * What `docker save` or `podman save` writes, or an OCI layout as a tar archive; also compressed with gzip or zstd. At most 20 GiB. A
   * `Blob` of a file, such as Node.js opens with `openAsBlob`, is read while it is sent. A function gives the bytes from the beginning,
   * again for each attempt; they are sent as they come, for which browsers need HTTP/2.
   */
  readonly archive: Blob | (() => AsyncIterable<Uint8Array<ArrayBuffer>>);
  /** What errors and the build call the archive. Default: the name of a `File`, or `archive.tar`. */
  readonly archiveName?: string | undefined;
  /** Name of the image in the archive. Default: its only one. */
  readonly image?: string | undefined;
  /** Is called with the bytes that were sent so far; a `Blob` is then sent as a function's bytes are. */
  readonly onSent?: ((bytes: number) => void) | undefined;
  /** Command that exits with 0 when the template is ready: it then has the memory of the running programs. Replaces that of the image. */
  readonly healthcheck?: string | undefined;
  /** Default: 1. */
  readonly vcpus?: number | undefined;
  /** Default: 512. */
  readonly memoryMib?: number | undefined;
}

/** The same, and who follows the build. */
export interface TemplateImportOptions extends ImageImportOptions {
  /** Is called when the archive is there and its build is in the queue. */
  readonly onStart?: ((build: Build) => void) | undefined;
  /** Is called for each line of the log, as it comes. */
  readonly onLog?: ((line: BuildLogLine) => void) | undefined;
}

type NamesOf<T> = readonly (keyof T & string)[];

export const importOptionNames: NamesOf<ImageImportOptions> = [
  "name",
  "archive",
  "archiveName",
  "image",
  "onSent",
  "healthcheck",
  "vcpus",
  "memoryMib",
  "signal",
];
export const templateImportOptionNames: NamesOf<TemplateImportOptions> = [
  ...importOptionNames,
  "onStart",
  "onLog",
];
