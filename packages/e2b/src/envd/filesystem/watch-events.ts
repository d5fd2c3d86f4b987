import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { defined, WrennError } from "@wrenn/core";
import type { FileChange, FileOptions } from "@wrenn/protocol";
import type { EnvdSandbox } from "../envd-sandbox.ts";
import { EventType, FilesystemEventSchema } from "../generated/filesystem_pb.ts";
import type { EntryInfo, FilesystemEvent } from "../generated/filesystem_pb.ts";
import { pathOf } from "../user-paths.ts";
import { entryInfos } from "./entry-info.ts";
import { isOnNetwork } from "./network-mounts.ts";

/** What a client wants to watch. */
export interface WatchRequest {
  readonly path: string;
  readonly recursive: boolean;
  readonly includeEntry: boolean;
  /** Whether a directory of another machine will do, of whose changes there only some are seen. */
  readonly allowNetworkMounts: boolean;
}

type Change = Exclude<FileChange, { readonly type: "overflow" | "unwatched" }>;

const types: Readonly<Record<Change["type"], EventType>> = {
  create: EventType.CREATE,
  write: EventType.WRITE,
  remove: EventType.REMOVE,
  rename: EventType.RENAME,
  chmod: EventType.CHMOD,
};

/**
 * Changes in a directory from the moment this resolves.
 *
 * The iteration throws a ConnectError `data_loss` when changes were lost.
 *
 * @throws ConnectError `invalid_argument` for what is no directory. @throws WrennError `path_not_found` and others of files.
 */
export async function watchEvents(
  request: WatchRequest,
  sandbox: EnvdSandbox,
  options: FileOptions,
): Promise<AsyncIterable<FilesystemEvent>> {
  const path = pathOf(request.path, sandbox);
  const watched = await sandbox.files.stat(path, { ...options, follow: true });
  if (watched.type !== "directory")
    throw new ConnectError(`path is not a directory: ${path}`, Code.InvalidArgument);
  if (!request.allowNetworkMounts && (await isOnNetwork(watched.path, sandbox.files, options.signal)))
    throw new ConnectError(
      `path is on a network mount: ${watched.path}; allow network mounts to watch it all the same`,
      Code.InvalidArgument,
    );
  const changes = await sandbox.files.watch(path, { ...options, recursive: request.recursive });
  const { recursive } = request;
  const reported = sandbox.uploads.follow(sandbox.id, { root: watched.path, recursive }, changes);
  return eventsOf(reported, request, { sandbox, root: watched.path, options });
}

interface Watch {
  readonly sandbox: EnvdSandbox;
  /** Real path of the directory. */
  readonly root: string;
  readonly options: FileOptions;
}

async function* eventsOf(
  changes: AsyncIterable<FileChange>,
  { includeEntry }: WatchRequest,
  watch: Watch,
): AsyncGenerator<FilesystemEvent, void> {
  for await (const change of changes) {
    if (change.type === "overflow")
      throw new ConnectError("changes were lost: list the directory, and watch it again", Code.DataLoss);
    // Clients have no event for a directory that cannot be watched.
    if (change.type === "unwatched") continue;
    for (const [name, type] of namesOf(change)) {
      const isThere = type !== EventType.REMOVE && type !== EventType.RENAME;
      const entry = includeEntry && isThere ? await entryOf(name, watch) : undefined;
      yield create(FilesystemEventSchema, { name: name === "" ? "." : name, type, ...defined({ entry }) });
    }
  }
}

/** A name that was changed into another one is two events: the old name went, the new one appeared. */
function namesOf(change: Change): readonly (readonly [string, EventType])[] {
  if (change.type !== "rename") return [[change.path, types[change.type]]];
  return [
    [change.oldPath ?? change.path, EventType.RENAME],
    [change.path, EventType.CREATE],
  ];
}

/** What is there now, as far as it still is. */
async function entryOf(name: string, { sandbox, root, options }: Watch): Promise<EntryInfo | undefined> {
  const path = name === "" ? root : `${root === "/" ? "" : root}/${name}`;
  try {
    const [info] = await entryInfos([await sandbox.files.stat(path, options)], sandbox.files, options);
    return info;
  } catch (error) {
    if (error instanceof WrennError && error.entry.fault === "user") return undefined;
    throw error;
  }
}
