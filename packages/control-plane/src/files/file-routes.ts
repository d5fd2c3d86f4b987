import { defined, WrennError } from "@wrenn/core";
import type { CapsuleFiles } from "@wrenn/protocol";
import { Type } from "typebox";
import { Entry, entryJson } from "./entry-json.ts";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { CapsuleParams, refusals } from "../http/schemas.ts";
import type { CapsuleOpener } from "../capsules/running-capsules.ts";

/** Recursive work on a large tree takes its time. */
const CALL_MS = 10 * 60_000;
const MAX_DEPTH = 100;

const Path = Type.String({
  minLength: 1,
  description: "Absolute, `~`-prefixed, or relative to the user's home",
});
const user = Type.Optional(
  Type.String({ maxLength: 64, description: "Whose permissions hold; root when absent" }),
);
const EntryAnswer = Type.Object({ entry: Entry });

const PathBody = Type.Object({ path: Path, user });
const ListBody = Type.Object({
  path: Path,
  depth: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_DEPTH })),
  user,
});
const MoveBody = Type.Object({
  source: Path,
  destination: Path,
  overwrite: Type.Optional(Type.Boolean()),
  user,
});
const ModeBody = Type.Object({
  path: Path,
  mode: Type.String({ pattern: "^[0-7]{3,4}$", description: "Octal, such as 0755" }),
  recursive: Type.Optional(Type.Boolean()),
  user,
});

interface FileCall {
  readonly files: CapsuleFiles;
  readonly options: { readonly user?: string; readonly signal: AbortSignal };
}

export interface FileRoutesDeps {
  readonly capsules: CapsuleOpener;
}

/** Files and directories (docs/reference/rest-api.md#files). */
export function registerFileRoutes(app: App, { capsules }: FileRoutesDeps, base: string): void {
  const open = async (
    request: Parameters<typeof teamOf>[0],
    id: string,
    asUser: string | undefined,
  ): Promise<FileCall> => {
    const capsule = await capsules.open(teamOf(request), id);
    await capsule.touch();
    return {
      files: capsule.files,
      options: { ...defined({ user: asUser }), signal: AbortSignal.timeout(CALL_MS) },
    };
  };
  const schema = { tags: ["files"], params: CapsuleParams };

  app.post(
    `${base}/:id/files/list`,
    {
      schema: {
        ...schema,
        summary: "List a directory",
        body: ListBody,
        response: { 200: Type.Object({ entries: Type.Array(Entry) }), ...refusals },
      },
    },
    async (request) => {
      const { files, options } = await open(request, request.params.id, request.body.user);
      const entries = await files.list(request.body.path, request.body.depth ?? 1, options);
      return { entries: entries.map(entryJson) };
    },
  );

  app.post(
    `${base}/:id/files/mkdir`,
    {
      schema: {
        ...schema,
        summary: "Make a directory with its parents",
        description: "409 when it exists, 400 when a file is in its place.",
        body: PathBody,
        response: { 200: EntryAnswer, ...refusals },
      },
    },
    async (request) => {
      const { files, options } = await open(request, request.params.id, request.body.user);
      const { path } = request.body;
      try {
        return { entry: entryJson(await files.makeDirectory(path, options)) };
      } catch (error) {
        if (!WrennError.is(error, "path_exists")) throw error;
        const { type } = await files.stat(path, { ...options, follow: true });
        throw type === "directory" ? error : new WrennError("not_a_directory", { path }, { cause: error });
      }
    },
  );

  app.post(
    `${base}/:id/files/remove`,
    {
      schema: {
        ...schema,
        summary: "Remove a file, or a directory with all it holds",
        body: PathBody,
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      const { files, options } = await open(request, request.params.id, request.body.user);
      await files.remove(request.body.path, { ...options, recursive: true });
      return await reply.status(204).send(null);
    },
  );

  app.post(
    `${base}/:id/files/stat`,
    {
      schema: {
        ...schema,
        summary: "Describe a file; links are not followed",
        body: PathBody,
        response: { 200: EntryAnswer, ...refusals },
      },
    },
    async (request) => {
      const { files, options } = await open(request, request.params.id, request.body.user);
      return { entry: entryJson(await files.stat(request.body.path, options)) };
    },
  );

  app.post(
    `${base}/:id/files/exists`,
    {
      schema: {
        ...schema,
        summary: "Whether a path exists",
        body: PathBody,
        response: { 200: Type.Object({ exists: Type.Boolean() }), ...refusals },
      },
    },
    async (request) => {
      const { files, options } = await open(request, request.params.id, request.body.user);
      try {
        await files.stat(request.body.path, options);
        return { exists: true };
      } catch (error) {
        if (WrennError.is(error, "path_not_found") || WrennError.is(error, "not_a_directory"))
          return { exists: false };
        throw error;
      }
    },
  );

  for (const verb of ["move", "copy"] as const) {
    app.post(
      `${base}/:id/files/${verb}`,
      {
        schema: {
          ...schema,
          summary: verb === "move" ? "Move or rename" : "Copy a file, or a directory with all it holds",
          description: "409 when the destination exists and `overwrite` is not set.",
          body: MoveBody,
          response: { 200: EntryAnswer, ...refusals },
        },
      },
      async (request) => {
        const { source, destination, overwrite = false, user: asUser } = request.body;
        const { files, options } = await open(request, request.params.id, asUser);
        const entry =
          verb === "move"
            ? await files.move(source, destination, { ...options, overwrite })
            : await files.copy(source, destination, { ...options, overwrite, recursive: true });
        return { entry: entryJson(entry) };
      },
    );
  }

  app.post(
    `${base}/:id/files/chmod`,
    {
      schema: {
        ...schema,
        summary: "Change permissions",
        body: ModeBody,
        response: { 200: EntryAnswer, ...refusals },
      },
    },
    async (request) => {
      const { path, mode, recursive = false, user: asUser } = request.body;
      const { files, options } = await open(request, request.params.id, asUser);
      const entry = await files.changeMode(path, Number.parseInt(mode, 8), { ...options, recursive });
      return { entry: entryJson(entry) };
    },
  );
}
