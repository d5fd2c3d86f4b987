import { defined, withDeadline, WrennError } from "@wrenn/core";
import type { CapsuleFiles } from "@wrenn/protocol";
import type { FastifyReply } from "fastify";
import { Type } from "typebox";
import { Entry, entryJson } from "./entry-json.ts";
import { fileCursor, filePageFields, requestedFilePage } from "./list-pages.ts";
import { abortWhenGone } from "./transfer.ts";
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
const ListAnswer = Type.Object({
  entries: Type.Array(Entry),
  next_cursor: Type.Optional(
    Type.String({ description: "`cursor` of the next page; the last page has none" }),
  ),
});
const EntryAnswer = Type.Object({ entry: Entry });

const PathBody = Type.Object({ path: Path, user });
const ListBody = Type.Object({
  path: Path,
  depth: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_DEPTH })),
  ...filePageFields,
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

/** A file call's options, with the signal that ends it. */
interface CallOptions {
  readonly user?: string;
  readonly signal: AbortSignal;
}

interface Called {
  readonly request: Parameters<typeof teamOf>[0];
  readonly reply: FastifyReply;
  readonly id: string;
  readonly user: string | undefined;
}

export interface FileRoutesDeps {
  readonly capsules: CapsuleOpener;
}

/** Files and directories (docs/reference/rest-api.md#files). */
export function registerFileRoutes(app: App, { capsules }: FileRoutesDeps, base: string): void {
  /** Ends when the client leaves, or after its time; what was not complete by then is undone in the guest. */
  const perform = async <T>(
    what: string,
    { request, reply, id, user: asUser }: Called,
    call: (files: CapsuleFiles, options: CallOptions) => Promise<T>,
  ): Promise<T> => {
    const left = abortWhenGone(reply);
    const capsule = await capsules.open(teamOf(request), id);
    await capsule.touch();
    return await withDeadline(what, CALL_MS, left, (signal) =>
      call(capsule.files, { ...defined({ user: asUser }), signal }),
    );
  };
  const schema = { tags: ["files"], params: CapsuleParams };

  app.post(
    `${base}/:id/files/list`,
    {
      schema: {
        ...schema,
        summary: "List a directory",
        description:
          "Sorted by the bytes of names, each directory before what is in it. With `limit` or `cursor` one page, and `next_cursor` (also as `X-Next-Cursor`) if others follow; an entry that exists all the time is on exactly one page. Without them everything, up to 100,000 entries and 15 MiB (413 above).",
        body: ListBody,
        response: { 200: ListAnswer, ...refusals },
      },
    },
    async (request, reply) => {
      const { path, depth = 1, user } = request.body;
      const called = { request, reply, id: request.params.id, user };
      const page = requestedFilePage(request.body);
      const { entries, next } = await perform(`listing ${path}`, called, async (files, options) =>
        page
          ? await files.listPage(path, { depth, ...page }, options)
          : { entries: await files.list(path, depth, options) },
      );
      if (next === undefined) return { entries: entries.map(entryJson) };
      const cursor = fileCursor(next);
      void reply.header("x-next-cursor", cursor);
      return { entries: entries.map(entryJson), next_cursor: cursor };
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
    async (request, reply) => {
      const { path, user } = request.body;
      const called = { request, reply, id: request.params.id, user };
      return await perform(`making ${path}`, called, async (files, options) => {
        try {
          return { entry: entryJson(await files.makeDirectory(path, options)) };
        } catch (error) {
          if (!WrennError.is(error, "path_exists")) throw error;
          const { type } = await files.stat(path, { ...options, follow: true });
          throw type === "directory" ? error : new WrennError("not_a_directory", { path }, { cause: error });
        }
      });
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
      const { path, user } = request.body;
      const called = { request, reply, id: request.params.id, user };
      await perform(`removing ${path}`, called, (files, options) =>
        files.remove(path, { ...options, recursive: true }),
      );
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
    async (request, reply) => {
      const { path, user } = request.body;
      const called = { request, reply, id: request.params.id, user };
      const entry = await perform(`reading ${path}`, called, (files, options) => files.stat(path, options));
      return { entry: entryJson(entry) };
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
    async (request, reply) => {
      const { path, user } = request.body;
      const called = { request, reply, id: request.params.id, user };
      try {
        await perform(`reading ${path}`, called, (files, options) => files.stat(path, options));
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
      async (request, reply) => {
        const { source, destination, overwrite = false, user: asUser } = request.body;
        const called = { request, reply, id: request.params.id, user: asUser };
        const entry = await perform(`${verb} of ${source}`, called, (files, options) =>
          verb === "move"
            ? files.move(source, destination, { ...options, overwrite })
            : files.copy(source, destination, { ...options, overwrite, recursive: true }),
        );
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
    async (request, reply) => {
      const { path, mode, recursive = false, user: asUser } = request.body;
      const called = { request, reply, id: request.params.id, user: asUser };
      const entry = await perform(`mode change of ${path}`, called, (files, options) =>
        files.changeMode(path, Number.parseInt(mode, 8), { ...options, recursive }),
      );
      return { entry: entryJson(entry) };
    },
  );
}
