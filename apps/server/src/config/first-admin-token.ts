import { rm } from "node:fs/promises";
import type { Logger } from "@wrenn/core";
import { writeFileAtomic } from "@wrenn/system";

/** The token that creates the first administrator, in a file that only the operator can read. */
export class FirstAdminToken {
  readonly path: string;
  readonly #logger: Logger;
  #token: string | undefined;

  constructor(path: string, logger: Logger) {
    this.path = path;
    this.#logger = logger;
  }

  get current(): string | undefined {
    return this.#token;
  }

  /** Writes the file; without a token removes it. */
  async keep(token: string | undefined): Promise<void> {
    this.#token = token;
    if (token === undefined) {
      await rm(this.path, { force: true });
      return;
    }
    await writeFileAtomic(this.path, `${token}\n`, { mode: 0o600 });
    this.#logger.info("account.first_admin", { token_file: this.path, use: "POST /v1/auth/bootstrap" });
  }
}
