/** What an entry of a layer asks for that is refused. */
export class TreeError extends Error {
  override readonly name = "TreeError";
}

/** What a layer has too much of. */
export class TreeLimitError extends Error {
  override readonly name = "TreeLimitError";
  readonly limit: number;
  readonly what: string;

  constructor(limit: number, what: string) {
    super(`more than ${limit} ${what}`);
    this.limit = limit;
    this.what = what;
  }
}
