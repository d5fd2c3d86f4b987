import type { ApiHeader, ApiMedia, ApiParameter, ApiReference, ApiSchema } from "./api-document.ts";
import type { RouteName } from "./route-errors.ts";

/** What the schemas of a route cannot say about its answers and its request. */
export interface AnswerNotes {
  /** Statuses below 400 and their bodies by type; they replace those of the route's schemas. */
  readonly answers?: Readonly<Record<string, Readonly<Record<string, ApiSchema>>>>;
  /** Further types of the answer 200. */
  readonly also?: Readonly<Record<string, ApiSchema>>;
  /** Types of refusals next to JSON: pages for people. */
  readonly pages?: boolean;
  readonly body?: Readonly<Record<string, ApiSchema>>;
  readonly requestHeaders?: readonly ApiParameter[];
  readonly headers?: Readonly<Record<string, ApiHeader>>;
}

const text: ApiSchema = { type: "string" };
const bytes: ApiSchema = { type: "string", contentMediaType: "application/octet-stream" };
const page = { "text/html": { type: "string", contentMediaType: "text/html" } };
const content = { "application/octet-stream": bytes };

const headerOf = (name: string, description: string): ApiParameter => ({
  name,
  in: "header",
  required: false,
  description,
  schema: text,
});
const answerHeader = (description: string): ApiHeader => ({ description, schema: text });

const versionHeaders = {
  ETag: answerHeader("Version of the file; absent where the file has none"),
  "Last-Modified": answerHeader("When the file was changed"),
  "Accept-Ranges": answerHeader("`bytes`"),
};
const uploadHeaders = {
  "Upload-Offset": answerHeader("Bytes that have arrived"),
  "Upload-Length": answerHeader("Bytes of the whole file"),
  "Upload-Expires": answerHeader("When the upload is given up"),
};
const lastEvent = headerOf("Last-Event-ID", "Id of the last event that the client received");
const digest = headerOf("Content-Digest", "`sha-256=:…:` of the body, which is verified");
const writeConditions = [
  headerOf("If-Match", "Entity tags, or `*` for any file: 412 for other versions and for no file"),
  headerOf("If-None-Match", "Entity tags: 412 for these versions; `*`: 409 when there is a file"),
  headerOf("If-Unmodified-Since", "412 when the file was changed since"),
];
const form: Readonly<Record<string, ApiSchema>> = {
  "multipart/form-data": {
    type: "object",
    required: ["path", "file"],
    properties: { path: text, user: text, file: bytes },
  },
};

const tarball: AnswerNotes = {
  answers: { 200: { "application/gzip": bytes }, 304: {} },
  requestHeaders: [headerOf("If-None-Match", "Entity tags: 304 for these versions")],
  headers: { ETag: answerHeader("Version of the package") },
};

/** By `METHOD /url`; paths below `/v1/admin` have the notes of those for teams. */
const notes: Readonly<Record<string, AnswerNotes>> = {
  "GET /download": { answers: { 200: page } },
  "GET /download/wrenn-cli.tgz": tarball,
  "GET /download/wrenn-sdk.tgz": tarball,
  "GET /metrics": { answers: { 200: { "text/plain": text } } },
  "GET /openapi.json": {
    answers: { 200: { "application/json": { type: "object", additionalProperties: true } } },
  },
  "GET /openapi.yaml": { answers: { 200: { "application/yaml": text } } },
  "GET /auth/:provider/callback": { answers: { 200: page } },
  "GET /device": { answers: { 200: page } },
  "GET /v1/ports/sign-in": { answers: { 200: page, 303: {} }, pages: true },
  "POST /v1/capsules": {
    requestHeaders: [
      headerOf("Idempotency-Key", "Makes the request repeatable for a day: 1 to 255 printable characters"),
    ],
  },
  "GET /v1/events": {
    requestHeaders: [lastEvent],
  },
  "GET /v1/capsules/:id/logs": {
    also: { "text/event-stream": { $ref: "#/components/schemas/LogEntry" } },
    requestHeaders: [lastEvent],
  },
  "GET /v1/capsules/:id/metrics/stream": {
    answers: { 200: { "text/event-stream": { $ref: "#/components/schemas/MetricsPoint" } } },
    requestHeaders: [lastEvent],
  },
  "POST /v1/capsules/:id/processes/:selector/input": {
    headers: { "Input-Offset": answerHeader("With `offset`: place of the byte behind `data`") },
  },
  "GET /v1/capsules/:id/processes/:selector/output": {
    answers: {
      200: {
        "application/vnd.wrenn.output": {
          type: "string",
          contentMediaType: "application/vnd.wrenn.output",
        },
      },
    },
  },
  "POST /v1/capsules/:id/files/read": { answers: { 200: content } },
  "POST /v1/capsules/:id/files/stream/read": { answers: { 200: content } },
  "POST /v1/capsules/:id/files/write": { body: form, requestHeaders: writeConditions },
  "POST /v1/capsules/:id/files/stream/write": { body: form, requestHeaders: writeConditions },
  "GET /v1/capsules/:id/files/archive": { answers: { 200: { "application/gzip": bytes } } },
  "GET /v1/capsules/:id/files/content": {
    answers: { 200: content, 206: content, 304: {} },
    requestHeaders: [
      headerOf("Range", "`bytes=0-99`: a part of the file"),
      headerOf("If-Range", "Entity tag: the whole file when it is another version"),
      headerOf("If-Match", "Entity tags: 412 for other versions"),
      headerOf("If-None-Match", "Entity tags: 304 for these versions"),
      headerOf("If-Modified-Since", "304 when the file was not changed since"),
      headerOf("If-Unmodified-Since", "412 when the file was changed since"),
    ],
    headers: versionHeaders,
  },
  "HEAD /v1/capsules/:id/files/content": { answers: { 200: {}, 304: {} }, headers: versionHeaders },
  "PUT /v1/capsules/:id/files/content": {
    body: content,
    requestHeaders: [digest, ...writeConditions],
    headers: { ETag: answerHeader("Version of the file that was written") },
  },
  "POST /v1/capsules/:id/files/uploads": {
    requestHeaders: writeConditions,
    headers: { ...uploadHeaders, Location: answerHeader("Path of the upload") },
  },
  "GET /v1/capsules/:id/files/uploads/:upload": { headers: uploadHeaders },
  "HEAD /v1/capsules/:id/files/uploads/:upload": { answers: { 200: {} }, headers: uploadHeaders },
  "PATCH /v1/capsules/:id/files/uploads/:upload": {
    body: { "application/offset+octet-stream": bytes, "application/octet-stream": bytes },
    requestHeaders: [digest],
    headers: uploadHeaders,
  },
};

export function notesOf({ method, url }: RouteName): AnswerNotes {
  return notes[`${method} ${url.replace(/^\/v1\/admin\/(capsules|events|builds)/, "/v1/$1")}`] ?? {};
}

/** Header fields that many answers have. */
export const sharedHeaders: Readonly<Record<string, ApiHeader>> = {
  "X-Request-Id": answerHeader("Id of the request, also in the server's log"),
  "X-Next-Cursor": answerHeader("`cursor` of the next page; absent on the last"),
  Link: answerHeader('Address of the next page, with `rel="next"`'),
  "Retry-After": answerHeader("Seconds after which a repetition makes sense"),
};

/** References to header fields of the components. */
export function headersNamed(...names: readonly string[]): Readonly<Record<string, ApiReference>> {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

/** The body by types as the document has it. */
export function mediaOf(types: Readonly<Record<string, ApiSchema>>): Readonly<Record<string, ApiMedia>> {
  return Object.fromEntries(Object.entries(types).map(([type, schema]) => [type, { schema }]));
}
