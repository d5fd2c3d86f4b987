import type { Context } from "../context.ts";
import { CapsuleSource } from "../copy/capsule-source.ts";
import type { CapsuleSide } from "../copy/capsule-source.ts";
import { CapsuleTarget } from "../copy/capsule-target.ts";
import { copy } from "../copy/copy.ts";
import type { CopyReport } from "../copy/copy.ts";
import type { CopySource, CopyTarget } from "../copy/copy-entry.ts";
import { parseCopyPath } from "../copy/copy-path.ts";
import type { CopyPath } from "../copy/copy-path.ts";
import { LocalSource } from "../copy/local-source.ts";
import { LocalTarget } from "../copy/local-target.ts";
import { placeOf } from "../copy/place.ts";
import { copyFromInput, copyToOutput } from "../copy/standard-streams.ts";
import { copyTarToOutput, unpackInput } from "../copy/tar-streams.ts";
import { ClientError } from "../errors/client-error.ts";
import { exitCodes } from "../errors/exit-codes.ts";
import { Exit } from "../errors/report-failure.ts";
import { escapeText } from "../output/escape-text.ts";
import { ProgressBar } from "../output/progress-bar.ts";
import { sizeText } from "../output/size-text.ts";

const LOCAL_SLASHES = process.platform === "win32" ? /(?<=[^:\\/])[\\/]+$/ : /(?<=.)\/+$/;

export interface CopyVerbOptions {
  readonly follow?: boolean;
  readonly user?: string;
  /** False compares sizes only. */
  readonly verify: boolean;
  readonly quiet?: boolean;
}

/** Copies files and directories between this machine and capsules. The last path is the destination. */
export async function cp(
  context: Context,
  texts: readonly string[],
  options: CopyVerbOptions,
): Promise<void> {
  const paths = texts.map((text) => parseCopyPath(text));
  const destination = paths.at(-1);
  const sources = paths.slice(0, -1);
  requirePossible(sources, destination, context.output.isJson);
  const bar = new ProgressBar(context.terminal.stderr);
  try {
    const report = paths.some(({ side }) => side === "standard")
      ? await copyStream(context, sources[0], destination, options, bar)
      : await copyTrees(context, sources, destination, options, bar);
    bar.clear();
    for (const path of report.skipped)
      context.output.note(`skipped ${escapeText(path)}: a device, a FIFO or a socket`);
    for (const { path, message } of report.failed)
      context.output.note(`wrenn: ${escapeText(path)} was not copied: ${escapeText(message)}`);
    if (context.output.isJson) context.output.data(report, () => "");
    else if (options.quiet !== true || report.failed.length > 0) context.output.note(summaryOf(report));
    if (report.failed.length > 0) throw new Exit(exitCodes.failed.code);
  } finally {
    bar.clear();
  }
}

async function copyTrees(
  context: Context,
  sources: readonly CopyPath[],
  destination: CopyPath | undefined,
  options: CopyVerbOptions,
  bar: ProgressBar,
): Promise<CopyReport> {
  const { signal } = context;
  const total: CopyReport = { files: 0, directories: 0, links: 0, bytes: 0, skipped: [], failed: [] };
  for (const path of sources) {
    const source = await sourceOf(context, path, options);
    const root = await source.root();
    const isDirectory =
      destination !== undefined && "path" in destination && endsInSlash(destination.side, destination.path);
    const place = { isDirectory, isOneOfMany: sources.length > 1 };
    const target = await placeOf(source, root, await targetOf(context, destination, options), place);
    const report = await copy(source, root, target, {
      signal,
      onProgress: ({ files, totalFiles, bytes, totalBytes }) =>
        bar.show(bytes, totalBytes, totalFiles > 1 ? `${files} of ${totalFiles} files` : ""),
    });
    for (const key of ["files", "directories", "links", "bytes"] as const) total[key] += report[key];
    total.skipped.push(...report.skipped);
    total.failed.push(...report.failed);
  }
  return total;
}

async function copyStream(
  context: Context,
  source: CopyPath | undefined,
  destination: CopyPath | undefined,
  { follow = false, user, verify: isVerified }: CopyVerbOptions,
  bar: ProgressBar,
): Promise<CopyReport> {
  const { signal, terminal } = context;
  const options = {
    isVerified,
    signal,
    onProgress: (bytes: number, size: number | undefined) => bar.show(bytes, size),
  };
  const report: CopyReport = { files: 0, directories: 0, links: 0, bytes: 0, skipped: [], failed: [] };
  if (source?.side === "capsule") {
    const side = await sideOf(context, source, user);
    const from = new CapsuleSource(side, { isFollowed: follow, isVerified });
    const root = await from.root();
    if (root.kind !== "directory") {
      const bytes = await copyToOutput(from, root, terminal.stdout, options);
      return { ...report, files: 1, bytes };
    }
    if (follow)
      throw new ClientError(
        "usage",
        "usage",
        "-L does not go with a directory to standard output",
        "Name a local directory, or leave -L out: the archive then has the links.",
      );
    return { ...report, bytes: await copyTarToOutput(side, terminal.stdout, options) };
  }
  if (destination?.side === "capsule") {
    const side = await sideOf(context, destination, user);
    const kind = await new CapsuleTarget(side).rootKind();
    const isDirectory = kind === "directory" || (kind === undefined && side.path.endsWith("/"));
    if (isDirectory) return { ...report, ...(await unpackInput(terminal.stdin, side, options)) };
    return { ...report, files: 1, bytes: await copyFromInput(terminal.stdin, side, options) };
  }
  return report;
}

async function sideOf(
  context: Context,
  { capsule: reference, path }: CopyPath & { readonly side: "capsule" },
  user: string | undefined,
): Promise<CapsuleSide> {
  const capsule = await context.capsule(reference);
  return { capsule, label: `${reference}:${path}`, path, user, signal: context.signal };
}

async function sourceOf(
  context: Context,
  path: CopyPath,
  { follow = false, user, verify: isVerified }: CopyVerbOptions,
): Promise<CopySource> {
  if (path.side !== "capsule") return new LocalSource("path" in path ? path.path : "", follow);
  const side = await sideOf(context, path, user);
  return new CapsuleSource(side, { isFollowed: follow, isVerified });
}

async function targetOf(
  context: Context,
  path: CopyPath | undefined,
  { user }: CopyVerbOptions,
): Promise<CopyTarget> {
  const { signal } = context;
  // What a slash at the end means is decided before.
  const bare = (text: string): string => text.replace(LOCAL_SLASHES, "");
  if (path?.side !== "capsule") return new LocalTarget(path && "path" in path ? bare(path.path) : "", signal);
  const capsule = await context.capsule(path.capsule);
  const guestPath = path.path.replace(/(?<=.)\/+$/, "");
  return new CapsuleTarget({
    capsule,
    label: `${path.capsule}:${guestPath}`,
    path: guestPath,
    user,
    signal,
  });
}

/** @throws ClientError `usage`. */
function requirePossible(
  sources: readonly CopyPath[],
  destination: CopyPath | undefined,
  isJson: boolean,
): void {
  const refuse = (message: string, remedy: string): never => {
    throw new ClientError("usage", "usage", message, remedy);
  };
  if (!destination || sources.length === 0)
    return refuse("a source and a destination are needed", "wrenn cp SOURCE... DESTINATION");
  const all = [...sources, destination];
  if (all.every(({ side }) => side !== "capsule"))
    return refuse("neither side is in a capsule", "Write the path in a capsule as CAPSULE:PATH.");
  if (destination.side !== "capsule" && sources.some(({ side }) => side === "local"))
    return refuse("a source and the destination are both on this machine", "Copy the sources one by one.");
  if (all.filter(({ side }) => side === "standard").length > 0 && all.length > 2)
    return refuse("- stands for one file or archive", "Copy it on its own.");
  if (destination.side === "standard" && isJson)
    return refuse("with --json standard output has the report", "Leave --json out, or name a file.");
}

function summaryOf({ files, directories, links, bytes, failed }: CopyReport): string {
  const parts = [
    `${files} ${files === 1 ? "file" : "files"} (${sizeText(bytes)})`,
    ...(directories > 0 ? [`${directories} ${directories === 1 ? "directory" : "directories"}`] : []),
    ...(links > 0 ? [`${links} ${links === 1 ? "link" : "links"}`] : []),
  ];
  return `Copied ${parts.join(", ")}${failed.length > 0 ? `; ${failed.length} not copied` : ""}.`;
}

function endsInSlash(side: CopyPath["side"], path: string): boolean {
  return path.endsWith("/") || (side === "local" && process.platform === "win32" && path.endsWith("\\"));
}
