import { Type } from "typebox";
import type { FileEntry, FileOptions, WriteOptions } from "./file-facts.ts";
import { Count, Text } from "./scalars.ts";
import type { Described } from "./scalars.ts";

/** How long an upload is kept after its last byte. */
export const UPLOAD_LIFETIME_MS = 24 * 60 * 60_000;
/** How many uploads of one capsule can be open at once. */
export const UPLOAD_LIMIT = 64;

/**
 * Uploads of one capsule that can be continued: their bytes stay in the capsule, without a name, until the last one has arrived. They
 * survive pauses and restarts of the host agent. A capsule that is made from another one has none.
 *
 * Every method but `create` rejects with `upload_not_found` for an upload that is unknown, complete, abandoned or too old.
 */
export interface CapsuleUploads {
  /**
   * Begins an upload under an id that the caller draws. The target is judged as a write would judge it, and stays as it is.
   *
   * @throws WrennError `too_many_uploads`, `uploads_unsupported`, and what a write throws.
   */
  create(upload: NewUpload, options: FileOptions & WriteOptions): Promise<UploadState>;
  state(id: string, options: UploadOptions): Promise<UploadState>;
  /**
   * Appends `content` at `offset`, where the upload must stand. With the last byte the file takes its place, as with a write. Content
   * that breaks off keeps what arrived of it; the last byte then counts only after another append, which may be empty.
   *
   * @throws WrennError `upload_offset_differs` with the true offset, `upload_in_use` while another append goes on, `upload_too_long`
   * for content past the size, `content_digest_mismatch` with nothing of `content` kept, and what a write throws.
   */
  append(
    id: string,
    offset: number,
    content: AsyncIterable<Uint8Array>,
    options: UploadOptions & AppendOptions,
  ): Promise<AppendedUpload>;
  /** Gives an upload up, with its bytes. */
  abandon(id: string, options: UploadOptions): Promise<void>;
}

export interface UploadOptions {
  readonly signal: AbortSignal;
}

export const NewUpload = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 64 }),
  path: Text,
  /** Of the whole file. */
  size: Count,
});
export type NewUpload = Described<typeof NewUpload>;

export const UploadState = Type.Object({
  /** Absolute, and of the file that a link leads to. */
  path: Text,
  size: Count,
  /** Bytes that have arrived. */
  offset: Count,
  /** Until it vanishes, unless bytes arrive. */
  expiresInMs: Count,
});
export type UploadState = Described<typeof UploadState>;

export const AppendOptions = Type.Object({
  /** SHA-256 of `content`, in base64. */
  sha256: Type.Optional(Text),
});
export type AppendOptions = Described<typeof AppendOptions>;

export interface AppendedUpload {
  readonly offset: number;
  readonly expiresInMs: number;
  /** The file; present once the upload is complete. */
  readonly entry?: FileEntry;
}
