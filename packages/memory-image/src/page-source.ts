/** Bytes of a memory, wherever they are kept. Reads may overlap in time. */
export interface PageSource {
  /** Bytes. */
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`.
   *
   * @throws WrennError `snapshot_corrupt` when the bytes are not what was stored, or not there.
   */
  read(offset: number, length: number, signal: AbortSignal): Promise<Uint8Array>;
}
