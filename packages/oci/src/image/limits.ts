/** How much of an image is accepted. */
export interface ImageLimits {
  /** Entries of the archives of all layers together. */
  readonly entries: number;
  /** Bytes of all layers together after decompression. */
  readonly unpackedBytes: number;
  /** Bytes of all layers together as they are downloaded. */
  readonly downloadBytes: number;
  readonly layers: number;
}

export const defaultImageLimits: ImageLimits = {
  entries: 500_000,
  unpackedBytes: 20 * 2 ** 30,
  downloadBytes: 20 * 2 ** 30,
  layers: 512,
};

/** What a long piece of work on an image has done. */
export interface ImageProgress {
  readonly step: "download" | "unpack" | "write";
  /** Bytes that are done, and of the whole step. */
  readonly done: number;
  readonly total: number;
}

export type OnImageProgress = (progress: ImageProgress) => void;
