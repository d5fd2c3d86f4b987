/** What a tar archive has that cannot be read, or is not accepted. */
export class TarError extends Error {
  override readonly name = "TarError";
  /** The member, as a byte string; empty where the archive as a whole is meant. */
  readonly path: string;

  constructor(problem: string, path = "") {
    super(problem);
    this.path = path;
  }
}
