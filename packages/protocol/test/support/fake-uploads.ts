import { createHash } from "node:crypto";
import { WrennError } from "@wrenn/core";
import { UPLOAD_LIFETIME_MS, UPLOAD_LIMIT } from "@wrenn/protocol";
import type {
  AppendedUpload,
  AppendOptions,
  CapsuleUploads,
  FileEntry,
  FileOptions,
  NewUpload,
  UploadOptions,
  UploadState,
  WriteOptions,
} from "@wrenn/protocol";

export interface FakeUploadsDeps {
  /** The absolute path of a file that may be written. */
  readonly judge: (path: string, options: FileOptions & WriteOptions) => string;
  readonly write: (
    path: string,
    content: Uint8Array,
    options: FileOptions & WriteOptions,
  ) => Promise<FileEntry>;
}

interface Upload {
  readonly path: string;
  readonly size: number;
  readonly options: FileOptions & WriteOptions;
  bytes: Buffer;
  expiresAt: number;
  busy: boolean;
}

/** Uploads of a fake capsule that can be continued. */
export class FakeUploads implements CapsuleUploads {
  /** Tests move it. */
  now = (): number => Date.now();
  readonly #uploads = new Map<string, Upload>();
  readonly #deps: FakeUploadsDeps;

  constructor(deps: FakeUploadsDeps) {
    this.#deps = deps;
  }

  async create({ id, path, size }: NewUpload, options: FileOptions & WriteOptions): Promise<UploadState> {
    const target = this.#deps.judge(path, options);
    if (this.#uploads.size >= UPLOAD_LIMIT) throw new WrennError("too_many_uploads", { limit: UPLOAD_LIMIT });
    const expiresAt = this.now() + UPLOAD_LIFETIME_MS;
    this.#uploads.set(id, { path: target, size, options, bytes: Buffer.of(), expiresAt, busy: false });
    return await this.state(id, options);
  }

  async state(id: string, { signal }: UploadOptions): Promise<UploadState> {
    signal.throwIfAborted();
    const { path, size, bytes, expiresAt } = this.#find(id);
    return { path, size, offset: bytes.length, expiresInMs: expiresAt - this.now() };
  }

  async append(
    id: string,
    offset: number,
    content: AsyncIterable<Uint8Array>,
    { sha256, signal }: UploadOptions & AppendOptions,
  ): Promise<AppendedUpload> {
    const upload = this.#find(id);
    if (upload.busy) throw new WrennError("upload_in_use", { upload: id });
    const before = upload.bytes;
    if (offset !== before.length) throw new WrennError("upload_offset_differs", { offset: before.length });
    upload.busy = true;
    try {
      for await (const chunk of content) {
        signal.throwIfAborted();
        // It may have been abandoned.
        this.#find(id);
        if (upload.bytes.length + chunk.length > upload.size)
          throw new WrennError("upload_too_long", { size: upload.size });
        upload.bytes = Buffer.concat([upload.bytes, chunk]);
        upload.expiresAt = this.now() + UPLOAD_LIFETIME_MS;
      }
      const actual = createHash("sha256").update(upload.bytes.subarray(offset)).digest("base64");
      if (sha256 !== undefined && sha256 !== actual) {
        upload.bytes = before;
        throw new WrennError("content_digest_mismatch", { actual });
      }
      const state = { offset: upload.bytes.length, expiresInMs: upload.expiresAt - this.now() };
      if (state.offset < upload.size) return state;
      const entry = await this.#deps.write(upload.path, upload.bytes, { ...upload.options, signal });
      this.#uploads.delete(id);
      return { ...state, entry };
    } finally {
      upload.busy = false;
    }
  }

  async abandon(id: string, { signal }: UploadOptions): Promise<void> {
    signal.throwIfAborted();
    this.#find(id);
    this.#uploads.delete(id);
  }

  #find(id: string): Upload {
    for (const [known, { expiresAt }] of this.#uploads)
      if (expiresAt <= this.now()) this.#uploads.delete(known);
    const upload = this.#uploads.get(id);
    if (!upload) throw new WrennError("upload_not_found", { upload: id });
    return upload;
  }
}
