/** A TSDoc comment. Texts are Markdown in which `{@link …}` still stands. */
export interface DocComment {
  readonly text: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly returns: string | undefined;
  readonly throws: readonly string[];
  /** Code of each `@example`. */
  readonly examples: readonly string[];
  /** All code: that of examples, and that in the text. */
  readonly code: readonly string[];
  readonly isInternal: boolean;
}

/** A tag begins a line, or follows the end of a sentence. */
const TAG = /^@(\w+)\s*|(?<=[.:;])\s@(throws|internal|param|returns)\b\s*/gm;
/** Code keeps its lines and may hold what looks like a tag. */
const FENCED = /^```(\w*)[^\n]*\n([\s\S]*?)^```$/gm;

/**
 * The comment that precedes a declaration.
 *
 * @param trivia - text of the source before the declaration; its last comment counts.
 * @throws Error for a tag that the reference does not show.
 */
export function docCommentOf(trivia: string): DocComment {
  const comment = [...trivia.matchAll(/\/\*\*([\s\S]*?)\*\//g)].at(-1)?.[1] ?? "";
  const lines = comment
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, "").trimEnd())
    .join("\n")
    .trim();
  const code: string[] = [];
  const text = lines.replaceAll(
    FENCED,
    (_, _language, body: string) => `\uE000${code.push(body.trimEnd()) - 1}\uE000`,
  );
  const tags = [...text.matchAll(TAG)];
  const parameters = new Map<string, string>();
  const [throws, examples]: [string[], string[]] = [[], []];
  let returns: string | undefined;
  let isInternal = false;
  for (const [index, tag] of tags.entries()) {
    const name = tag[1] ?? tag[2];
    const value = text.slice(tag.index + tag[0].length, tags[index + 1]?.index);
    if (name === "param") {
      const [, parameter = "", about = ""] = /^(\S+)\s*-?\s*([\s\S]*)$/.exec(value) ?? [];
      parameters.set(parameter, paragraphs(about));
    } else if (name === "throws") throws.push(paragraphs(value));
    else if (name === "returns") returns = paragraphs(value);
    else if (name === "example")
      for (const [, at] of value.matchAll(/\uE000(\d+)\uE000/g)) examples.push(code[Number(at)] ?? "");
    else if (name === "internal") isInternal = true;
    else throw new Error(`the reference does not show @${name}`);
  }
  const about = paragraphs(text.slice(0, tags[0]?.index));
  const shown = about.replaceAll(
    /\uE000(\d+)\uE000/g,
    (_, at: string) => `\`\`\`ts\n${code[Number(at)] ?? ""}\n\`\`\``,
  );
  return { text: shown, parameters, returns, throws, examples, code, isInternal };
}

/** Joins wrapped lines; paragraphs and items of lists stay apart. */
function paragraphs(text: string): string {
  return text
    .trim()
    .split(/\n{2,}/)
    .map((paragraph) => paragraph.replaceAll(/\n(?!\s*(?:-|\d+\.|\|) )/g, " ").replaceAll(/ {2,}/g, " "))
    .join("\n\n");
}
