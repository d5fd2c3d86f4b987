import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { WrennError } from "@wrenn/core";

/** Paths of the packages for client machines, as `npm pack` made them. */
export interface ClientPackageFiles {
  readonly cli: string;
  readonly sdk: string;
}

/** Names under which the packages are served. */
export const packageNames = { cli: "wrenn-cli.tgz", sdk: "wrenn-sdk.tgz" } as const;

export interface ClientPackage {
  readonly bytes: Buffer;
  /** Strong entity tag, of the content. */
  readonly tag: string;
}

/** The packages for client machines. Each is read once and shared by all answers: callers need no credentials. */
export class ClientPackages {
  readonly #files: ClientPackageFiles | undefined;
  readonly #read = new Map<keyof ClientPackageFiles, Promise<ClientPackage>>();

  constructor(files: ClientPackageFiles | undefined) {
    this.#files = files;
  }

  /** @throws WrennError `client_not_packed` while there is no such file. */
  async get(name: keyof ClientPackageFiles): Promise<ClientPackage> {
    const known = this.#read.get(name);
    if (known) return await known;
    const reading = this.#load(name);
    this.#read.set(name, reading);
    // It may be packed later.
    reading.catch(() => this.#read.delete(name));
    return await reading;
  }

  async #load(name: keyof ClientPackageFiles): Promise<ClientPackage> {
    const notPacked = (options?: ErrorOptions): WrennError =>
      new WrennError("client_not_packed", { file: packageNames[name] }, options);
    if (!this.#files) throw notPacked();
    try {
      const bytes = await readFile(this.#files[name]);
      return { bytes, tag: `"${createHash("sha256").update(bytes).digest("base64url")}"` };
    } catch (error) {
      throw notPacked({ cause: error });
    }
  }
}
