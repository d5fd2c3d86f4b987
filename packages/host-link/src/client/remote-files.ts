import { WrennError } from "@wrenn/core";
import { FileChange, FileEntry } from "@wrenn/protocol";
import type { ByteRange, CapsuleFiles, CapsuleUploads } from "@wrenn/protocol";
import { Appended, OpenedFile } from "../wire/streams.ts";
import { checked } from "./link-client.ts";
import type { LinkClient, StreamPiece } from "./link-client.ts";

/** Files of a capsule of another machine. */
export function remoteFiles(client: LinkClient, id: string): CapsuleFiles {
  return {
    stat: async (path, given) => await client.call("file.stat", [id, path, sent(given)], given.signal),
    list: async (path, depth, given) =>
      await client.call("file.list", [id, path, depth, sent(given)], given.signal),
    listPage: async (path, request, given) =>
      await client.call("file.listPage", [id, path, request, sent(given)], given.signal),
    makeDirectory: async (path, given) =>
      await client.call("file.makeDirectory", [id, path, sent(given)], given.signal),
    remove: async (path, given) => await client.call("file.remove", [id, path, sent(given)], given.signal),
    move: async (source, target, given) =>
      await client.call("file.move", [id, source, target, sent(given)], given.signal),
    copy: async (source, target, given) =>
      await client.call("file.copy", [id, source, target, sent(given)], given.signal),
    changeMode: async (path, mode, given) =>
      await client.call("file.changeMode", [id, path, mode, sent(given)], given.signal),
    attributes: async (paths, prefix, given) =>
      await ofEarlierHost(
        client.call("file.attributes", [id, paths, prefix, sent(given)], given.signal),
        () => paths.map(() => ({})),
      ),
    setAttributes: async (path, prefix, attributes, given) =>
      await ofEarlierHost(
        client.call("file.setAttributes", [id, path, prefix, attributes, sent(given)], given.signal),
        () => {
          if (Object.keys(attributes).length > 0)
            throw new WrennError("host_outdated", { what: "attributes of files" });
        },
      ),
    read: async (path, given) => {
      const pieces = await client.stream("bulk", "read", [id, path, sent(given)], given.signal);
      const first = await pieces.next();
      const opened = checked(OpenedFile, first.done ? undefined : first.value.value);
      return { ...opened, bytes: payloads(pieces) };
    },
    write: async (path, content, given) =>
      checked(FileEntry, await client.upload("upload", [id, path, sent(given)], content, given.signal)),
    archive: async (path, given) =>
      payloads(await client.stream("bulk", "archive", [id, path, sent(given)], given.signal)),
    watch: async (path, given) =>
      changes(await client.stream("stream", "watch", [id, path, sent(given)], given.signal)),
    uploads: remoteUploads(client, id),
  };
}

/** The answer, or what stands for it where the host is of a version that does not know the call. */
async function ofEarlierHost<T>(answer: Promise<T>, instead: () => T): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!WrennError.is(error, "route_not_found")) throw error;
    return instead();
  }
}

function remoteUploads(client: LinkClient, id: string): CapsuleUploads {
  return {
    create: async (upload, given) =>
      await client.call("upload.create", [id, upload, sent(given)], given.signal),
    state: async (upload, { signal }) => await client.call("upload.state", [id, upload], signal),
    append: async (upload, offset, content, given) =>
      checked(
        Appended,
        await client.upload("append", [id, upload, offset, sent(given)], content, given.signal),
      ),
    abandon: async (upload, { signal }) => await client.call("upload.abandon", [id, upload], signal),
  };
}

interface Given {
  readonly signal: AbortSignal;
  readonly range?: ByteRange;
}

/** Options without what stays here. */
function sent<T extends Given>({ signal: _signal, ...options }: T): Omit<T, "signal"> {
  return options;
}

/** The bytes of a stream. */
export async function* payloads(pieces: AsyncIterable<StreamPiece>): AsyncGenerator<Uint8Array> {
  for await (const { payload } of pieces) if (payload.length > 0) yield payload;
}

async function* changes(pieces: AsyncIterable<StreamPiece>): AsyncGenerator<FileChange> {
  for await (const { value } of pieces) yield checked(FileChange, value);
}
