import { join } from "node:path";
import { readFileIfPresent, writeFileAtomic } from "@wrenn/system";

/** What a version of a built-in template was made of. */
export interface BuiltInRecord {
  /** See `TemplateInputs.inputs`. */
  readonly inputs: string;
  /** Number of the version. */
  readonly version: number;
}

/** Which versions of the built-in templates this machine has built: the same is not built twice. */
export class BuiltInRecords {
  readonly #path: string;

  constructor(dataDirectory: string) {
    this.#path = join(dataDirectory, "built-in-templates.json");
  }

  /** A record that cannot be read is none: its template is built again. */
  async find(name: string): Promise<BuiltInRecord | undefined> {
    return (await this.#read())[name];
  }

  async put(name: string, record: BuiltInRecord): Promise<void> {
    const all = { ...(await this.#read()), [name]: record };
    await writeFileAtomic(this.#path, `${JSON.stringify(all, undefined, 2)}\n`);
  }

  async #read(): Promise<Readonly<Record<string, BuiltInRecord>>> {
    try {
      return JSON.parse((await readFileIfPresent(this.#path)) ?? "{}") as Record<string, BuiltInRecord>;
    } catch {
      return {};
    }
  }
}
