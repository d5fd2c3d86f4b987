import { WrennError } from "@wrenn/core";
import type { ImageRequest, ImageSettings, ImportedImage, ImportProgress } from "@wrenn/protocol";

export const PLAIN_SETTINGS: ImageSettings = {
  env: { PATH: "/usr/local/bin:/usr/bin:/bin" },
  user: "root",
  workdir: "/",
  shell: ["/bin/sh", "-c"],
  entrypoint: [],
  cmd: [],
  exposedPorts: [],
  labels: {},
};

/** Images of registries, as a fake host finds them. */
export class FakeImages {
  readonly #images = new Map<string, ImportedImage>();
  readonly #underWay = new Map<string, ImportProgress>();
  readonly #endless = new Set<string>();
  /** What imports wait for. */
  gate: Promise<void> = Promise.resolve();
  /** Bytes of archives that were received and not dropped, by their ids. The bytes name the image. */
  readonly archives = new Map<string, Buffer>();
  /** Archives that arrive. */
  receiving = 0;
  /** Requests that were made. */
  readonly requests: ImageRequest[] = [];

  /** @param digit - its digest consists of this hexadecimal digit. */
  add(reference: string, digit: string, settings: Partial<ImageSettings> = {}): ImportedImage {
    const image = {
      template: `image-${digit.repeat(32)}`,
      digest: `sha256:${digit.repeat(64)}`,
      diskMib: 5120,
      sizeBytes: 1000,
      settings: { ...PLAIN_SETTINGS, ...settings },
    };
    this.#images.set(reference, image);
    return image;
  }

  /** An import of it does not end by itself. */
  addEndless(reference: string): void {
    this.#endless.add(reference);
  }

  async import(request: ImageRequest, signal: AbortSignal): Promise<ImportedImage> {
    this.requests.push(request);
    this.#underWay.set(request.id, { phase: "download", doneBytes: 500, totalBytes: 1000 });
    try {
      const gate = this.#endless.has(request.reference) ? new Promise<never>(() => {}) : this.gate;
      await Promise.race([gate, rejectOnAbort(signal)]);
      signal.throwIfAborted();
      const image = this.#images.get(this.#nameOf(request));
      if (!image) throw new WrennError("image_not_found", { image: request.reference });
      return image;
    } finally {
      this.#underWay.delete(request.id);
    }
  }

  async receive(id: string, content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    const pieces: Uint8Array[] = [];
    this.receiving += 1;
    try {
      for await (const piece of content) {
        signal.throwIfAborted();
        pieces.push(Uint8Array.from(piece));
      }
    } finally {
      this.receiving -= 1;
    }
    this.archives.set(id, Buffer.concat(pieces));
  }

  #nameOf({ reference, archive }: ImageRequest): string {
    if (!archive) return reference;
    const bytes = this.archives.get(archive.id);
    if (bytes === undefined)
      throw new WrennError("image_archive_invalid", { archive: reference, problem: "there is none" });
    return archive.image ?? bytes.toString();
  }

  progress(id: string): ImportProgress | undefined {
    return this.#underWay.get(id);
  }

  /** Whether a template is of an image. */
  has(template: string): boolean {
    return [...this.#images.values()].some((image) => image.template === template);
  }
}

async function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return await new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}
