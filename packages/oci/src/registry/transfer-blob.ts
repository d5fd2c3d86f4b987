import { WrennError } from "@wrenn/core";
import type { Descriptor } from "../image/image-source.ts";
import { Digester } from "../reference/digest.ts";
import type { BlobSink } from "../disk/blob-sink.ts";
import { IdleTimer } from "./idle-timer.ts";
import { bodyPieces, discardBody } from "./read-body.ts";
import type { Retries, TransferLimits } from "./retry.ts";
import { TransferError } from "./transfer-error.ts";

export interface BlobTransfer {
  readonly image: string;
  readonly blob: Descriptor;
  readonly limits: TransferLimits;
  readonly retries: Retries;
  readonly signal: AbortSignal;
  /** Asks for the blob; from this byte on where one is given. */
  readonly request: (offset: number, signal: AbortSignal) => Promise<Response>;
  readonly onBytes: (count: number) => void;
}

/**
 * Brings a blob into a sink and verifies size and digest. A download that breaks goes on where it broke (OCI distribution
 * specification, "Pulling blobs": `Range`), where the server sends just that part; else it begins again.
 *
 * @throws WrennError `image_damaged` when size or digest are wrong; TransferError when the attempts are used up.
 */
export async function transferBlob(transfer: BlobTransfer, sink: BlobSink): Promise<void> {
  const { blob, image, limits, retries, signal } = transfer;
  const download = new BlobDownload(transfer, sink);
  for (let part = 1; !download.isComplete; part += 1) {
    try {
      await download.readPart();
    } catch (error) {
      if (part >= limits.resumes) throw error;
      await retries.pause(error, signal);
    }
  }
  const digest = download.digest();
  if (digest !== blob.digest)
    throw new WrennError("image_damaged", { image, blob: blob.digest, problem: `its digest is ${digest}` });
}

class BlobDownload {
  readonly #transfer: BlobTransfer;
  readonly #sink: BlobSink;
  #digester: Digester;
  #received = 0;
  #isComplete = false;

  constructor(transfer: BlobTransfer, sink: BlobSink) {
    this.#transfer = transfer;
    this.#sink = sink;
    this.#digester = new Digester(transfer.blob.digest);
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  digest(): string {
    return this.#digester.digest();
  }

  /** Reads what one answer has. @throws TransferError where it is not all of the rest. */
  async readPart(): Promise<void> {
    const { blob, limits, onBytes, request, retries, signal } = this.#transfer;
    using timer = new IdleTimer(limits.idleMs, signal);
    const offset = this.#received;
    const response = await request(offset, timer.signal);
    if (offset > 0 && !isRest(response, offset, blob.size)) await this.#restart();
    if (this.#received === 0 && response.status !== 200) {
      await discardBody(response);
      throw new TransferError("it sends another part of a blob than it was asked for");
    }
    for await (const piece of bodyPieces(response, timer)) {
      if (this.#received + piece.byteLength > blob.size) throw this.#longer();
      this.#digester.update(piece);
      await this.#sink.write(piece);
      this.#received += piece.byteLength;
      onBytes(piece.byteLength);
      retries.progressed();
    }
    if (this.#received < blob.size)
      throw new TransferError(`it sent ${this.#received} of ${blob.size} bytes of a blob`);
    this.#isComplete = true;
  }

  async #restart(): Promise<void> {
    this.#transfer.onBytes(-this.#received);
    this.#digester = new Digester(this.#transfer.blob.digest);
    this.#received = 0;
    await this.#sink.restart();
  }

  #longer(): WrennError {
    const { image, blob } = this.#transfer;
    return new WrennError("image_damaged", {
      image,
      blob: blob.digest,
      problem: `it is longer than the ${blob.size} bytes that the manifest says`,
    });
  }
}

/** Whether an answer has a blob from `offset` to its end (RFC 9110 section 14.4). */
function isRest(response: Response, offset: number, size: number): boolean {
  if (response.status !== 206) return false;
  const [, first, last, total] =
    /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(response.headers.get("content-range") ?? "") ?? [];
  return Number(first) === offset && Number(last) === size - 1 && (total === "*" || Number(total) === size);
}
