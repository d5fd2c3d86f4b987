import { ClientError } from "../errors/client-error.ts";
import type { CopyEntry, CopySource, CopyTarget } from "./copy-entry.ts";

export interface Placement {
  /** The destination has a slash at its end, so it is a directory. */
  readonly isDirectory: boolean;
  /** There are other sources, so the destination has to be a directory. */
  readonly isOneOfMany: boolean;
}

/**
 * Where a source goes: docs/reference/cli-cp.md has the table.
 *
 * @throws ClientError `not_a_directory`, `is_a_directory`, `special_file`, `dangling_link`.
 */
export async function placeOf(
  source: CopySource,
  root: CopyEntry,
  destination: CopyTarget,
  { isDirectory, isOneOfMany }: Placement,
): Promise<CopyTarget> {
  const kind = await destination.rootKind();
  const { label } = destination;
  switch (kind) {
    case "special":
      throw new ClientError(
        "usage",
        "special_file",
        `${label} is a device, a FIFO or a socket, which is never replaced`,
        "Name a file or directory, or - for standard output.",
      );
    case "symlink":
      throw new ClientError(
        "conflict",
        "dangling_link",
        `${label} is a link to something that does not exist`,
        "Remove the link, or name what it points to.",
      );
    case "directory":
      // The content of `.` and of `/` has no name: it goes into the directory itself.
      if (source.name !== "") return await childOf(source, root, destination);
      return destination;
    case "file":
      if (isDirectory || isOneOfMany || root.kind === "directory")
        throw new ClientError(
          "conflict",
          "not_a_directory",
          `${label} is a file, and a directory is needed for ${source.label}`,
          "Name a directory, or a path that does not exist.",
        );
      return destination;
    case undefined:
      if (isOneOfMany && !isDirectory)
        throw new ClientError(
          "notFound",
          "path_not_found",
          `${label} does not exist, and several sources need a directory`,
          "Make the directory, or end the path with a slash to have it made.",
        );
      return isOneOfMany || (isDirectory && root.kind !== "directory")
        ? await childOf(source, root, destination)
        : destination;
  }
}

async function childOf(source: CopySource, root: CopyEntry, directory: CopyTarget): Promise<CopyTarget> {
  const child = directory.child(source.name);
  const kind = await child.rootKind();
  const isDirectory = root.kind === "directory";
  if (kind === undefined || (kind === "directory") === isDirectory || (kind === "symlink" && !isDirectory))
    return child;
  throw new ClientError(
    "conflict",
    kind === "directory" ? "is_a_directory" : "not_a_directory",
    `${child.label} is ${kind === "directory" ? "a directory" : "not a directory"}, and ${source.label} is ${isDirectory ? "one" : "not"}`,
    "Remove it, or choose another destination.",
  );
}
