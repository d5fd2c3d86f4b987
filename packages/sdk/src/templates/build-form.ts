import type { RequestBody } from "../transport/body.ts";
import type { HttpClient, HttpRequest } from "../transport/http.ts";
import { randomHex } from "../transport/random.ts";
import { buildOf } from "./build.ts";
import type { Build, WireBuild } from "./build.ts";

/** A file that is sent as it comes. `size`: its bytes, where they are known. */
export interface FileStream {
  readonly open: () => AsyncIterable<Uint8Array>;
  readonly size: number | undefined;
}

export type FileContent = FileStream | Uint8Array<ArrayBuffer> | Blob;

/** The file of a form that begins a build. */
export interface BuildFile {
  /** Name of its field. */
  readonly field: string;
  readonly fileName: string;
  readonly content: FileContent;
  /** How long it may travel. */
  readonly timeoutMs: number;
}

/**
 * Begins a build with the JSON of its field `config` and a file, of which pieces alone are in memory where it is a stream or a `Blob` of
 * a file. What a stream fails with is what the call fails with.
 */
export async function sendBuildForm(
  http: HttpClient,
  path: string,
  json: object,
  file: BuildFile,
  signal: AbortSignal | undefined,
): Promise<Build> {
  const { content, timeoutMs } = file;
  const { head, tail, headers } = formParts(json, file);
  let failure: { readonly error: unknown } | undefined;
  const streamed = ({ open, size }: FileStream): HttpRequest => {
    const length = size === undefined ? {} : { "content-length": String(head.length + size + tail.length) };
    const body = (): RequestBody => {
      failure = undefined;
      return streamOf(form(head, open, tail), (error) => (failure = { error }));
    };
    return { body, headers: { ...headers, ...length } };
  };
  const request: HttpRequest =
    "open" in content ? streamed(content) : { body: new Blob([head, content, tail]), headers };
  try {
    return buildOf(await http.json<WireBuild>("POST", path, { ...request, timeoutMs, signal }));
  } catch (error) {
    signal?.throwIfAborted();
    throw failure === undefined ? error : failure.error;
  }
}

async function* form(
  head: Uint8Array,
  open: () => AsyncIterable<Uint8Array>,
  tail: Uint8Array,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield head;
  yield* open();
  yield tail;
}

/** `ReadableStream.from`, which not every runtime has. */
function streamOf(
  pieces: AsyncGenerator<Uint8Array, void, undefined>,
  onFailure: (error: unknown) => void,
): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await pieces.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        onFailure(error);
        throw error;
      }
    },
    async cancel() {
      await pieces.return();
    },
  });
}

/** What stands before and behind the bytes of the file. Written out, so that it can be sent again. */
function formParts(json: object, { field, fileName }: Pick<BuildFile, "field" | "fileName">) {
  const boundary = `wrenn-${randomHex(16)}`;
  const part = (name: string, more: string): string =>
    `--${boundary}\r\ncontent-disposition: form-data; name="${name}"${more}\r\n\r\n`;
  const file = part(field, `; filename="${quoted(fileName)}"\r\ncontent-type: application/octet-stream`);
  const encoder = new TextEncoder();
  return {
    head: encoder.encode(`${part("config", "")}${JSON.stringify(json)}\r\n${file}`),
    tail: encoder.encode(`\r\n--${boundary}--\r\n`),
    headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
  };
}

/** As browsers write the name of a file (HTML, "multipart form data"). */
function quoted(fileName: string): string {
  return fileName.replaceAll("\n", "%0A").replaceAll("\r", "%0D").replaceAll('"', "%22");
}
