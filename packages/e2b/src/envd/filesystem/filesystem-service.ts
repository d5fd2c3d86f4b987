import { posix } from "node:path";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { withDeadline, WrennError } from "@wrenn/core";
import type { FileEntry, FileOptions } from "@wrenn/protocol";
import {
  CreateWatcherResponseSchema,
  GetWatcherEventsResponseSchema,
  ListDirResponseSchema,
  MakeDirResponseSchema,
  MoveResponseSchema,
  RemoveResponseSchema,
  RemoveWatcherResponseSchema,
  StatResponseSchema,
  WatchDirResponse_KeepAliveSchema,
  WatchDirResponse_StartEventSchema,
  WatchDirResponseSchema,
} from "../generated/filesystem_pb.ts";
import type { EntryInfo, Filesystem, WatchDirResponse } from "../generated/filesystem_pb.ts";
import { silenceOf, withKeepalive } from "../rpc/keepalive.ts";
import { callOf } from "../rpc/rpc-call.ts";
import { pathOf } from "../user-paths.ts";
import { entryInfos } from "./entry-info.ts";
import { listDirectory } from "./list-directory.ts";
import { makeTopDirectory } from "./top-directory.ts";
import { watchEvents } from "./watch-events.ts";
import type { Watchers } from "./watchers.ts";

/** Trees may be large; a client that has enough leaves. */
const ANSWER_MS = 10 * 60_000;
const MAX_DEPTH = 128;

/** Files of a sandbox. */
export function filesystemService(watchers: Watchers): ServiceImpl<typeof Filesystem> {
  return {
    async stat({ path }, context) {
      const entry = await onFiles("reading", context, (options) => describe(path, context, options));
      return create(StatResponseSchema, { entry });
    },

    async makeDir({ path }, context) {
      const { sandbox } = callOf(context);
      const target = pathOf(path, sandbox);
      const entry = await onFiles("making the directory", context, async (options) => {
        try {
          const made = (await makeTopDirectory(sandbox, target, options))
            ? await sandbox.files.stat(target, options)
            : await sandbox.files.makeDirectory(target, options);
          return await infoOf(made, context, options);
        } catch (error) {
          if (!WrennError.is(error, "path_exists")) throw error;
          const there = await sandbox.files.stat(target, { ...options, follow: true });
          throw there.type === "directory"
            ? new ConnectError(`directory already exists: ${there.path}`, Code.AlreadyExists)
            : new ConnectError(`path exists and is not a directory: ${there.path}`, Code.InvalidArgument);
        }
      });
      return create(MakeDirResponseSchema, { entry });
    },

    async move({ source, destination }, context) {
      const { sandbox } = callOf(context);
      const [from, to] = [pathOf(source, sandbox), pathOf(destination, sandbox)];
      const entry = await onFiles("moving", context, async (options) => {
        await makeTopDirectory(sandbox, posix.dirname(to), options);
        const moved = await sandbox.files.move(from, to, { ...options, overwrite: true });
        return await infoOf(moved, context, options);
      });
      return create(MoveResponseSchema, { entry });
    },

    async listDir({ path, depth }, context) {
      const { sandbox } = callOf(context);
      const levels = Math.min(Math.max(1, depth), MAX_DEPTH);
      const entries = await onFiles("listing", context, async (options) =>
        entryInfos(
          await listDirectory(sandbox.files, pathOf(path, sandbox), levels, options),
          sandbox.files,
          options,
        ),
      );
      return create(ListDirResponseSchema, { entries });
    },

    async remove({ path }, context) {
      const { sandbox } = callOf(context);
      await onFiles("removing", context, async (options) => {
        try {
          await sandbox.files.remove(pathOf(path, sandbox), { ...options, recursive: true });
        } catch (error) {
          if (!WrennError.is(error, "path_not_found")) throw error;
        }
      });
      return create(RemoveResponseSchema);
    },

    async *watchDir(request, context) {
      const { sandbox, user } = callOf(context);
      const events = await watchEvents(request, sandbox, { user, signal: context.signal });
      yield started();
      const responses = asResponses(events);
      yield* withKeepalive(responses, silenceOf(context.requestHeader), keepalive);
    },

    async createWatcher(request, context) {
      const { sandbox, user } = callOf(context);
      const watcherId = await watchers.add(sandbox.id, async (signal) =>
        watchEvents(request, sandbox, { user, signal }),
      );
      return create(CreateWatcherResponseSchema, { watcherId });
    },

    getWatcherEvents({ watcherId }, context) {
      const events = [...watchers.take(callOf(context).sandbox.id, watcherId)];
      return create(GetWatcherEventsResponseSchema, { events });
    },

    removeWatcher({ watcherId }, context) {
      watchers.remove(callOf(context).sandbox.id, watcherId);
      return create(RemoveWatcherResponseSchema);
    },
  };
}

async function describe(path: string, context: HandlerContext, options: FileOptions): Promise<EntryInfo> {
  const { sandbox } = callOf(context);
  return await infoOf(await sandbox.files.stat(pathOf(path, sandbox), options), context, options);
}

async function infoOf(entry: FileEntry, context: HandlerContext, options: FileOptions): Promise<EntryInfo> {
  const [info] = await entryInfos([entry], callOf(context).sandbox.files, options);
  if (!info) throw new WrennError("path_not_found", { path: entry.path });
  return info;
}

async function onFiles<T>(
  what: string,
  context: HandlerContext,
  work: (options: FileOptions & { readonly user: string }) => Promise<T>,
): Promise<T> {
  const { user } = callOf(context);
  return await withDeadline(what, ANSWER_MS, context.signal, (signal) => work({ user, signal }));
}

async function* asResponses(
  events: Awaited<ReturnType<typeof watchEvents>>,
): AsyncGenerator<WatchDirResponse, void> {
  for await (const value of events)
    yield create(WatchDirResponseSchema, { event: { case: "filesystem", value } });
}

function started(): WatchDirResponse {
  const value = create(WatchDirResponse_StartEventSchema);
  return create(WatchDirResponseSchema, { event: { case: "start", value } });
}

function keepalive(): WatchDirResponse {
  const value = create(WatchDirResponse_KeepAliveSchema);
  return create(WatchDirResponseSchema, { event: { case: "keepalive", value } });
}
