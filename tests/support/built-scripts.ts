import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";

/** Specifier of a static import or re-export, as bundlers write it. Dynamic imports have a parenthesis. */
const STATIC_IMPORT = /\b(?:from|import)\s*["'](\.{1,2}\/[^"']+)["']/g;

/** The scripts of a built site, and which of them load others with them. */
export class BuiltScripts {
  readonly #texts: ReadonlyMap<string, string>;

  private constructor(texts: ReadonlyMap<string, string>) {
    this.#texts = texts;
  }

  /** @param folder - what the build made. */
  static async read(folder: string): Promise<BuiltScripts> {
    const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".js"));
    const read = async (name: string) => [name, await readFile(join(folder, name), "utf8")] as const;
    return new BuiltScripts(new Map(await Promise.all(names.map(read))));
  }

  /** Paths that match. */
  named(pattern: RegExp): readonly string[] {
    return [...this.#texts.keys()].filter((name) => pattern.test(name));
  }

  /** Paths of the scripts that contain a text. */
  containing(text: string): readonly string[] {
    return [...this.#texts].flatMap(([name, content]) => (content.includes(text) ? [name] : []));
  }

  /** These scripts, and all that their static imports load. */
  withImports(names: readonly string[]): ReadonlySet<string> {
    const found = new Set<string>();
    const add = (name: string): void => {
      if (found.has(name)) return;
      found.add(name);
      this.#imports(name).forEach(add);
    };
    names.forEach(add);
    return found;
  }

  /** The first circle of static imports: code in it can run before what it needs. Undefined where there is none. */
  circle(): readonly string[] | undefined {
    const done = new Set<string>();
    const follow = (name: string, path: readonly string[]): readonly string[] | undefined => {
      if (path.includes(name)) return [...path.slice(path.indexOf(name)), name];
      if (done.has(name)) return undefined;
      for (const imported of this.#imports(name)) {
        const circle = follow(imported, [...path, name]);
        if (circle) return circle;
      }
      done.add(name);
      return undefined;
    };
    for (const name of this.#texts.keys()) {
      const circle = follow(name, []);
      if (circle) return circle;
    }
    return undefined;
  }

  /** Bytes of a script as it is sent. */
  gzippedBytes(name: string): number {
    return gzipSync(this.#text(name)).length;
  }

  #imports(name: string): readonly string[] {
    return [...this.#text(name).matchAll(STATIC_IMPORT)].map(([, specifier = ""]) =>
      join(dirname(name), specifier),
    );
  }

  #text(name: string): string {
    const text = this.#texts.get(name);
    if (text === undefined) throw new Error(`the build has no script ${name}`);
    return text;
  }
}
