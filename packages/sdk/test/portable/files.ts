import { check, equal, rejection } from "./check.ts";
import type { PortableContext, Scenario } from "./scenario.ts";

const filesOf = async ({ sdk, connection, capsuleId }: PortableContext) =>
  (await sdk.Capsule.get(capsuleId, connection)).files;

const pattern = (length: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8)) & 0xff);

function streamOf(bytes: Uint8Array<ArrayBuffer>, pieces: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  const size = Math.ceil(bytes.length / pieces);
  let position = 0;
  return new ReadableStream({
    pull: (controller) => {
      if (position >= bytes.length) {
        controller.close();
        return;
      }
      controller.enqueue(bytes.slice(position, position + size));
      position += size;
    },
  });
}

async function readAll(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer());
}

const isSame = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, index) => byte === other[index]);

export const fileScenarios: readonly Scenario[] = [
  {
    name: "files are written, read, listed, moved and removed",
    run: async (context) => {
      const files = await filesOf(context);
      await files.mkdir(context.path);
      await files.write(`${context.path}/text ä.txt`, "grüße\n");
      equal(await files.readText(`${context.path}/text ä.txt`), "grüße\n");
      await files.write(`${context.path}/bytes`, new Uint8Array([0, 255, 1]));
      equal([...(await files.readBytes(`${context.path}/bytes`))], [0, 255, 1]);
      await files.move(`${context.path}/bytes`, `${context.path}/moved`);
      equal((await files.stat(`${context.path}/moved`)).size, 3);
      const names = (await files.list(context.path)).map(({ name }) => name).sort();
      equal(names, ["moved", "text ä.txt"]);
      const paged: string[] = [];
      for await (const { name } of files.entries(context.path, { pageSize: 1 })) paged.push(name);
      equal(paged, names);
      await files.remove(`${context.path}/moved`);
      equal(await files.exists(`${context.path}/moved`), false);
      const error = await rejection(files.readText(`${context.path}/moved`));
      check(context.sdk.isWrennError(error, "not_found"), String(error));
    },
  },
  {
    name: "streams are written and read",
    run: async (context) => {
      const files = await filesOf(context);
      const bytes = pattern(700_000);
      // Browsers send streams by HTTP/2 only: there the refusal names the call that does.
      const refused = await files.write(`${context.path}-stream`, streamOf(bytes, 7)).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (refused !== undefined) {
        check(context.sdk.isWrennError(refused, "unsupported_runtime"), "it is refused for the runtime");
        await files.upload(`${context.path}-stream`, streamOf(bytes, 7), { size: bytes.length });
      }
      check(
        isSame(await readAll(await files.readStream(`${context.path}-stream`)), bytes),
        "what was written is read",
      );
      await files.upload(`${context.path}-made`, () => streamOf(bytes, 3), { size: bytes.length });
      await files.write(`${context.path}-blob`, new Blob([bytes]));
      for (const path of [`${context.path}-made`, `${context.path}-blob`])
        check(isSame(await files.readBytes(path), bytes), path);
    },
  },
  {
    name: "uploads and downloads continue over several requests, with progress",
    run: async (context) => {
      const files = await filesOf(context);
      const bytes = pattern(3_000_000);
      let sent = 0;
      await files.upload(`${context.path}-upload`, bytes, {
        onProgress: ({ transferredBytes }) => void (sent = transferredBytes),
      });
      equal(sent, bytes.length);
      check(
        isSame(await readAll(await files.download(`${context.path}-upload`)), bytes),
        "what was uploaded is downloaded",
      );
    },
  },
  {
    name: "changes of files are watched",
    run: async (context) => {
      const files = await filesOf(context);
      const directory = `${context.path}-watched`;
      await files.mkdir(`${directory}/below`);
      await using changes = files.watch(directory, { recursive: true });
      await changes.ready();
      await files.write(`${directory}/below/new`, "text");
      await files.chmod(`${directory}/below/new`, 0o600);
      await files.remove(`${directory}/below/new`);
      const seen: unknown[] = [];
      for await (const change of changes) {
        seen.push(change.type === "overflow" ? change.type : `${change.type} ${change.path}`);
        if (change.type === "remove") break;
      }
      equal(seen, ["create below/new", "chmod below/new", "remove below/new"]);
      const error = await rejection(files.watch(`${directory}/missing`).ready());
      check(context.sdk.isWrennError(error, "path_not_found"), String(error));
    },
  },
];
