import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { docCommentOf } from "./sdk-reference/doc-comment.ts";
import { listSources, projectRoot } from "./sources.ts";

/** An example in TypeScript that users read. */
export interface Example {
  /** Relative to the project. */
  readonly document: string;
  readonly code: string;
  /** What its comments `// → …` say that it prints, line by line; `…` stands for any text. Undefined: it may print anything. */
  readonly prints: readonly string[] | undefined;
}

const BLOCK = /^```ts\n([\s\S]*?)^```$/gm;

/** The examples of README files and guides, and those of the SDK's comments. */
export async function listExamples(): Promise<readonly Example[]> {
  const guides = (await readdir(join(projectRoot, "docs/guides"))).map((name) => `docs/guides/${name}`);
  const examples: Example[] = [];
  for (const document of ["README.md", "packages/sdk/README.md", ...guides.toSorted()]) {
    const text = await readFile(join(projectRoot, document), "utf8");
    for (const [, code = ""] of text.matchAll(BLOCK)) examples.push(exampleOf(document, code));
  }
  for (const document of await listSources(["packages/sdk/src"])) {
    const text = await readFile(join(projectRoot, document), "utf8");
    for (const [comment] of text.matchAll(/\/\*\*[\s\S]*?\*\//g))
      for (const code of docCommentOf(comment).code) examples.push(exampleOf(document, code));
  }
  return examples;
}

function exampleOf(document: string, code: string): Example {
  const prints = [...code.matchAll(/\/\/ → (.*)$/gm)].map(([, line = ""]) => line.trimEnd());
  return { document, code, prints: prints.length > 0 ? prints : undefined };
}

/** Names that examples use without declaring them, and what stands for them. */
const GIVEN: Readonly<Record<string, string>> = {
  capsule: `await (await import("@wrenn/sdk")).Capsule.get(process.env["WRENN_CAPSULE"] ?? "")`,
  wrenn: `new (await import("@wrenn/sdk")).Wrenn()`,
};
/** Values of the package that short examples do not import. */
const EXPORTS = ["Capsule", "Wrenn", "WrennError", "isWrennError"];

/** An example as a module. What it leaves out is in one line before it. */
export function moduleOf({ code }: Example): string {
  const isUsed = (name: string): boolean => new RegExp(`(?<![\\w.@])${name}(?!\\w)`).test(code);
  const isDeclared = (name: string): boolean =>
    new RegExp(`(?:\\b(?:const|let|using|function|class) |import \\{[^}]*)\\b${name}\\b`).test(code);
  const isMissing = (name: string): boolean => isUsed(name) && !isDeclared(name);
  const imported = EXPORTS.filter(isMissing).join(", ");
  const given = Object.entries(GIVEN)
    .filter(([name]) => isMissing(name))
    .map(([name, value]) => `const ${name} = ${value};`);
  return `${[...(imported === "" ? [] : [`import { ${imported} } from "@wrenn/sdk";`]), ...given].join(" ")}\n${code}`;
}

/** Where what an example prints is not what its comments say; undefined where it is. */
export function differenceOf(prints: readonly string[], output: string): string | undefined {
  const lines = output.trimEnd().split("\n");
  const isAsSaid =
    lines.length === prints.length &&
    prints.every((said, at) => patternOf(said).test(lines[at]?.trimEnd() ?? ""));
  return isAsSaid ? undefined : `its comments say:\n${prints.join("\n")}\nit prints:\n${lines.join("\n")}`;
}

function patternOf(said: string): RegExp {
  return new RegExp(
    `^${said
      .split("…")
      .map((text) => RegExp.escape(text))
      .join(".*")}$`,
  );
}
