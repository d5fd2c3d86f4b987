import { namesIn } from "./public-surface.ts";
import type { ExportDoc } from "./export-doc.ts";

/** Names of types and members as links to where they are described. */
export class Links {
  readonly #anchors: ReadonlyMap<string, string>;
  readonly #instances: ReadonlyMap<string, string>;

  /** @param anchors - by the name of an export, and by `Export.member`. */
  constructor(exports: readonly ExportDoc[], anchors: ReadonlyMap<string, string>) {
    this.#anchors = anchors;
    this.#instances = new Map(exports.map((one) => [one.name, instanceNameOf(one, exports)]));
  }

  /** How users call an object of a class: `capsule.commands` of `Commands`. */
  instanceName(name: string): string {
    return this.#instances.get(name) ?? lowerFirst(name);
  }

  /** A type as code; a link where it has one documented name in it. */
  type(text: string): string {
    const code = `\`${text}\``;
    const known = namesIn(text).filter((name) => this.#anchors.has(name));
    return known.length === 1 ? `[${code}](#${this.#anchors.get(known[0] ?? "")})` : code;
  }

  /** What an interface extends: arguments of the type do not matter for the link. */
  base(text: string): string {
    const anchor = this.#anchors.get(baseName(text));
    return anchor === undefined ? `\`${text}\`` : `[\`${text}\`](#${anchor})`;
  }

  /** Text of a `@throws` tag. */
  inErrors(text: string, owner: string): string {
    return this.inText(text.replaceAll(/(?<![`\w])WrennError(?![`\w])/g, "{@link WrennError}"), owner);
  }

  /**
   * Text whose `{@link …}` are links.
   *
   * @param owner - the export to whose members short names belong.
   */
  inText(text: string, owner: string): string {
    return (
      text
        .replaceAll(
          /\{@link ([^}|\s]+)(?:\s*\|?\s*([^}]*))?\}/g,
          (_, target: string, label: string | undefined) => {
            const anchor = this.#anchors.get(target) ?? this.#anchors.get(`${owner}.${target}`);
            const shown = label === undefined || label === "" ? `\`${target}\`` : label;
            return anchor === undefined ? shown : `[${shown}](#${anchor})`;
          },
        )
        // Comments name pages from the root of the repository.
        .replaceAll(
          /`?\bdocs\/reference\/([\w-]+\.md)(#[\w-]+)?`?/g,
          (_, page: string, part: string | undefined) => `[${page}](${page}${part ?? ""})`,
        )
    );
  }
}

export function baseName(type: string): string {
  return type.replace(/<.*$/, "");
}

function instanceNameOf({ name }: ExportDoc, exports: readonly ExportDoc[]): string {
  for (const owner of ["Capsule", "Wrenn"]) {
    const property = exports.find((one) => one.name === owner)?.properties.find(({ type }) => type === name);
    if (property) return `${lowerFirst(owner)}.${property.name}`;
  }
  return lowerFirst(name);
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1);
}
