import { HeadingAnchors } from "../heading-anchors.ts";
import type { DocComment } from "./doc-comment.ts";
import { baseName, Links } from "./links.ts";
import type { ExportDoc, MethodDoc, PropertyDoc, SignatureDoc } from "./export-doc.ts";
import { sections } from "./sections.ts";

const WIDTH = 100;

/** `docs/reference/sdk.md`: what the TypeScript SDK exports, by subject. */
export function renderSdkReference(exports: readonly ExportDoc[]): string {
  // Anchors of headings that come later are known only after a first pass.
  const first = new SdkReference(exports, new Map());
  first.render();
  return new SdkReference(exports, first.anchors).render();
}

/** The fields that options have in the end. */
interface OptionFields {
  readonly properties: readonly PropertyDoc[];
  /** Options that are listed in another place. */
  readonly elsewhere: readonly string[];
}

class SdkReference {
  readonly #exports: readonly ExportDoc[];
  readonly #links: Links;
  readonly #earlier: ReadonlyMap<string, string>;
  readonly #lines: string[] = [];
  /** Options that are shown with the only method that takes them. */
  readonly #inlined: ReadonlySet<string>;

  readonly #headings = new HeadingAnchors();
  readonly #anchors = new Map<string, string>();

  /** @param anchors - those of an earlier pass. */
  constructor(exports: readonly ExportDoc[], anchors: ReadonlyMap<string, string>) {
    this.#exports = exports;
    this.#inlined = optionsOfOneMethod(exports);
    this.#links = new Links(exports, anchors);
    this.#earlier = anchors;
  }

  /** Of each section, export and member, as {@link Links} takes them. */
  get anchors(): ReadonlyMap<string, string> {
    return this.#anchors;
  }

  render(): string {
    const groups = sections.map((section) => ({
      ...section,
      own: this.#exports.filter(({ path }) => section.paths.some((start) => path.startsWith(start))),
    }));
    const homeless = this.#exports.filter((one) => !groups.some(({ own }) => own.includes(one)));
    if (homeless.length > 0)
      throw new Error(`no section of the reference has ${homeless.map(({ name }) => name).join(", ")}`);
    const shown = groups.filter(({ own }) => own.length > 0);
    this.#heading("# TypeScript SDK", []);
    this.#add(
      "",
      "Generated from the comments of `packages/sdk/src` by `npm run reference`; do not edit. [The guide](../guides/sdk.md) shows how the parts are used together. Every example here is executed by a test.",
      "",
      "Durations are milliseconds (`…Ms`), sizes are bytes (`…Bytes`) or MiB (`…Mib`). Names that end in `?` are optional. Every call rejects with a [`WrennError`](#wrennerror), or with the reason of the `signal` that aborted it. An option that a call does not have is refused: `unknown_option`.",
      "",
    );
    this.#heading("## Contents", []);
    this.#add("");
    for (const { title, about } of shown)
      this.#add(`- [${title}](#${this.#earlier.get(`section ${title}`)}): ${about}`);
    for (const { title, about, own } of shown) {
      this.#add("");
      this.#heading(`## ${title}`, [`section ${title}`]);
      this.#add("", `${capitalised(about)}.`);
      for (const one of own.toSorted((a, b) => this.#rank(a) - this.#rank(b)))
        if (!this.#inlined.has(one.name)) this.#export(one);
    }
    return `${this.#lines.join("\n")}\n`;
  }

  /** Classes that users have or reach by a property come first, then those that calls give. */
  #rank({ name, kind }: ExportDoc): number {
    const isEntry = name === "Wrenn" || name === "Capsule" || this.#links.instanceName(name).includes(".");
    return kind === "class" && isEntry
      ? -1
      : ["class", "function", "constant", "interface", "type"].indexOf(kind);
  }

  #export(one: ExportDoc): void {
    if (one.kind === "function") {
      for (const method of one.methods) this.#method(`${one.name}()`, method, one.name, "###");
      return;
    }
    this.#add("");
    this.#heading(`### \`${one.name}\``, [
      one.name,
      ...one.properties.map(({ name }) => `${one.name}.${name}`),
    ]);
    this.#text(one.comment.text, one.name);
    if (one.kind === "type" || one.kind === "constant") {
      const declared =
        one.kind === "type"
          ? `type ${one.name}${one.typeParameters} =${aliasText(one.type)}`
          : `const ${one.name}: ${one.type}`;
      this.#code(`${declared};`);
      this.#related(one.type, one.name);
    }
    const bases = one.bases.map((base) => this.#links.base(base)).join(", ");
    if (bases !== "") this.#add("", `Extends ${bases}.`);
    this.#properties(one, one.kind === "class" ? "property" : "field");
    this.#examples(one.comment);
    const prefix = this.#links.instanceName(one.name);
    for (const method of one.methods) {
      const isNew = method.name === "constructor";
      const called = method.name.startsWith("[") ? method.name : `.${method.name}`;
      this.#method(
        isNew ? `new ${one.name}()` : `${method.isStatic ? one.name : prefix}${called}()`,
        method,
        one.name,
        "####",
      );
    }
  }

  #method(title: string, { name, isStatic, signatures }: MethodDoc, owner: string, level: string): void {
    const isFunction = level === "###";
    const types = signatures.map((signature) => typesOf(signature)).join(" ");
    const inlined = this.#exports.filter((one) => this.#inlined.has(one.name) && mentions(types, one.name));
    this.#add("");
    this.#heading(`${level} \`${title}\``, [
      isFunction ? owner : `${owner}.${name}`,
      ...inlined.flatMap((one) => [one.name, ...one.properties.map((field) => `${one.name}.${field.name}`)]),
    ]);
    const called =
      name === "constructor" ? `new ${owner}` : isStatic && !isFunction ? `${owner}.${name}` : name;
    this.#code(signatures.map((signature) => signatureText(called, signature)).join("\n"));
    const documented = signatures.filter(({ comment }) => comment.text !== "");
    for (const { comment } of documented) this.#text(comment.text, owner);
    const parameters = new Map(signatures.flatMap(({ comment }) => [...comment.parameters]));
    if (parameters.size > 0) {
      this.#add("");
      for (const [parameter, about] of parameters)
        this.#add(`- \`${parameter}\`: ${this.#links.inText(about, owner)}`);
    }
    for (const { comment } of signatures)
      if (comment.returns !== undefined) this.#add("", `Gives ${this.#links.inText(comment.returns, owner)}`);
    for (const options of inlined) this.#options(options, inlined.length === 1);
    for (const { comment } of signatures)
      for (const thrown of comment.throws) this.#add("", `Throws ${this.#links.inErrors(thrown, owner)}`);
    this.#related(types, owner);
    for (const { comment } of signatures) this.#examples(comment);
  }

  /**
   * The fields of options with those that they inherit, and where the others that they take are listed.
   *
   * @param isAlone - those of several forms of a call would repeat what they inherit.
   */
  #options(options: ExportDoc, isAlone: boolean): void {
    const { name, comment } = options;
    this.#add(
      "",
      `Options (\`${name}\`):${comment.text === "" ? "" : ` ${this.#links.inText(comment.text, name)}`}`,
    );
    const own = { properties: options.properties, elsewhere: options.bases };
    const fields = isAlone ? this.#inherited(options) : own;
    const { properties, elsewhere } = withTypeArguments(fields, options.typeParameters, name);
    this.#properties({ ...options, properties }, "option");
    if (elsewhere.length > 0)
      this.#add(
        "",
        `Also takes the options of ${elsewhere.map((base) => this.#links.base(base)).join(", ")}.`,
      );
  }

  /** Fields of options, own ones first. Those of connections would repeat a long list. */
  #inherited({ properties, bases }: ExportDoc): OptionFields {
    const all = [...properties];
    const elsewhere: string[] = [];
    for (const base of bases) {
      const found = this.#exports.find(({ name }) => name === baseName(base));
      if (!found || found.name === "ConnectionOptions") {
        elsewhere.push(base);
        continue;
      }
      const inherited = withTypeArguments(this.#inherited(found), found.typeParameters, base);
      elsewhere.push(...inherited.elsewhere);
      for (const property of inherited.properties)
        if (!all.some(({ name }) => name === property.name)) all.push(property);
    }
    return { properties: all, elsewhere };
  }

  #properties({ name: owner, properties, implemented }: ExportDoc, head: string): void {
    if (properties.length === 0) return;
    this.#add("", `| ${head} | type | |`, "| --- | --- | --- |");
    for (const property of properties) {
      const { name, type, isOptional } = property;
      const comment = this.#commentOf(property, implemented);
      const texts = [
        this.#links.inText(comment.text, owner),
        ...comment.throws.map((thrown) => `Throws ${this.#links.inErrors(thrown, owner)}`),
      ];
      const cells = [`\`${name}${isOptional ? "?" : ""}\``, this.#links.type(type), texts.join(" ")];
      this.#add(`| ${cells.map(cell).join(" | ")} |`);
    }
  }

  /** A property without a comment has that of the interface that declares it. */
  #commentOf({ name, comment }: PropertyDoc, implemented: readonly string[]): DocComment {
    if (comment.text !== "") return comment;
    const declaring = this.#exports.filter((one) => implemented.includes(one.name));
    const declared = declaring
      .flatMap(({ properties }) => properties)
      .find((property) => property.name === name);
    return declared?.comment ?? comment;
  }

  /** Links to the types that a signature mentions: its code cannot have links. */
  #related(types: string, owner: string): void {
    const related = this.#exports
      .filter(
        ({ name, kind }) =>
          kind !== "function" && name !== owner && !this.#inlined.has(name) && mentions(types, name),
      )
      .map(({ name }) => this.#links.type(name));
    if (related.length > 0) this.#add("", `See ${related.join(", ")}.`);
  }

  #examples({ examples }: DocComment): void {
    for (const example of examples) this.#code(example);
  }

  #text(text: string, owner: string): void {
    if (text !== "") this.#add("", this.#links.inText(text, owner));
  }

  #code(code: string): void {
    this.#add("", "```ts", code, "```");
  }

  /** @param names - what is described below it; the first that is described under a name has the link. */
  #heading(line: string, names: readonly string[]): void {
    this.#add(line);
    const anchor = this.#headings.next(line.replace(/^#+ /, ""));
    for (const name of names) if (!this.#anchors.has(name)) this.#anchors.set(name, anchor);
  }

  #add(...lines: readonly string[]): void {
    this.#lines.push(...lines);
  }
}

/** Interfaces named `…Options` that are part of the signature of exactly one method, and of nothing else. */
function optionsOfOneMethod(exports: readonly ExportDoc[]): ReadonlySet<string> {
  const names = exports
    .filter(({ kind, name }) => kind === "interface" && name.endsWith("Options"))
    .map(({ name }) => name);
  const single = names.filter((name) => {
    const methods = exports
      .flatMap((one) => one.methods)
      .filter(({ signatures }) => signatures.some((signature) => mentions(typesOf(signature), name)));
    const elsewhere = exports.some(
      (one) =>
        mentions(one.type, name) ||
        one.bases.some((base) => mentions(base, name)) ||
        one.properties.some(({ type }) => mentions(type, name)),
    );
    return methods.length === 1 && !elsewhere;
  });
  return new Set(single);
}

/** Fields of a generic interface, with the arguments that its user gives, or the defaults. */
function withTypeArguments(
  { properties, elsewhere }: OptionFields,
  parameters: string,
  user: string,
): OptionFields {
  const given = /<(.*)>$/.exec(user)?.[1]?.split(/, /) ?? [];
  const names = /^<(.*)>$/.exec(parameters)?.[1]?.split(/, /) ?? [];
  const values = names.map((parameter, at): [string, string] => {
    const [, name = "", fallback = name] = /^(\w+)(?: extends .*?)?(?: = (.*))?$/.exec(parameter) ?? [];
    return [name, given[at] ?? fallback];
  });
  const replaced = (text: string): string =>
    values.reduce((type, [name, value]) => type.replaceAll(new RegExp(`\\b${name}\\b`, "g"), value), text);
  return {
    properties: properties.map((property) => ({ ...property, type: replaced(property.type) })),
    elsewhere: elsewhere.map(replaced),
  };
}

function typesOf({ parameters, returns, typeParameters }: SignatureDoc): string {
  return [typeParameters, ...parameters.map(({ type }) => type), returns ?? ""].join(" ");
}

function mentions(text: string, name: string): boolean {
  return new RegExp(`(?<![\\w.])${name}(?!\\w)`).test(text);
}

function signatureText(called: string, { typeParameters, parameters, returns }: SignatureDoc): string {
  const result = returns === undefined ? "" : `: ${returns}`;
  const line = `${called}${typeParameters}(${parameters.map(({ text }) => text).join(", ")})${result}`;
  if (line.length <= WIDTH || parameters.length === 0) return line;
  return [`${called}${typeParameters}(`, ...parameters.map(({ text }) => `  ${text},`), `)${result}`].join(
    "\n",
  );
}

/** Lines after the first lose the indentation that the source gives them. */
function outdented(text: string): string {
  const lines = text.split("\n");
  const indents = lines
    .slice(1)
    .filter((line) => line.trim() !== "")
    .map((line) => /^ */.exec(line)?.[0].length ?? 0);
  const least = Math.min(...indents, Number.MAX_SAFE_INTEGER);
  return lines
    .map((line, index) => (index === 0 ? line : `  ${line.slice(least)}`.replace(/^ {2}(?=[)}\]])/, "")))
    .join("\n");
}

/** Unions of many literals have one in each line. */
function aliasText(type: string): string {
  if (type.startsWith("|")) return `\n  ${outdented(type)}`;
  const isLong = type.length > WIDTH && /^"[^"]*"(?: \| "[^"]*")*$/.test(type);
  return isLong
    ? type
        .split(" | ")
        .map((literal) => `\n  | ${literal}`)
        .join("")
    : ` ${outdented(type)}`;
}

function cell(text: string): string {
  return text.replaceAll("\n", " ").replaceAll("|", "\\|").trim();
}

function capitalised(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
