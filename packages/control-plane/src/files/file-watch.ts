import { defined, problemOf } from "@wrenn/core";
import { sendHeartbeats } from "../http/heartbeat.ts";
import { SocketRefused } from "../http/socket-route.ts";
import type { SocketHandler } from "../http/socket-route.ts";

/**
 * Changes of a file or directory, `?path=` and optionally `&recursive=true` and `&user=`; our addition to the contract.
 * `watching` says that every later change is reported, `overflow` that some were lost, `unwatched` of which directory none is.
 */
export const fileWatch: SocketHandler = async (socket, context) => {
  const path = context.query.get("path") ?? "";
  const user = context.query.get("user");
  const ended = new AbortController();
  const signal = AbortSignal.any([context.signal, ended.signal]);
  try {
    const changes = await context.files.watch(path, {
      recursive: context.query.get("recursive") === "true",
      ...defined({ user: user ?? undefined }),
      signal,
    });
    await socket.send({ type: "watching", path });
    using heartbeats = sendHeartbeats(socket, context.query, context.logger);
    void heartbeats;
    for await (const change of changes) {
      if (change.type === "overflow" || change.type === "unwatched") await socket.send(change);
      else {
        await socket.send({
          type: "change",
          change: change.type,
          offset: change.offset,
          path: change.path,
          directory: change.directory,
          ...defined({ old_path: change.oldPath }),
        });
      }
    }
    await socket.send({ type: "gone", path });
  } catch (error) {
    if (context.signal.aborted) throw error;
    throw new SocketRefused(problemOf(error), { cause: error });
  } finally {
    ended.abort();
  }
};
