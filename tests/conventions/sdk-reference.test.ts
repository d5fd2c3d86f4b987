import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { docCommentOf } from "../support/sdk-reference/doc-comment.ts";
import { namesIn, readPublicSurface } from "../support/sdk-reference/public-surface.ts";
import { renderSdkReference } from "../support/sdk-reference/render.ts";
import { listSources, projectRoot } from "../support/sources.ts";

const surface = readPublicSurface();

test("the reference of the SDK is what its comments say; npm run reference renews it", async () => {
  const text = renderSdkReference(surface);
  const written = await readFile(join(projectRoot, "docs/reference/sdk.md"), "utf8");
  assert.ok(written === text, "docs/reference/sdk.md is stale: npm run reference");
});

test("every type of the SDK that an export mentions is exported too", async () => {
  const declared = new Set<string>();
  for (const file of await listSources(["packages/sdk/src"])) {
    const text = await readFile(join(projectRoot, file), "utf8");
    for (const [, name = ""] of text.matchAll(
      /^(?:export )?(?:interface|(?:abstract )?class|type) ([A-Z]\w*)/gm,
    ))
      declared.add(name);
  }
  const exported = new Set(surface.map(({ name }) => name));
  const missing = new Set<string>();
  for (const { name, bases, type, properties, methods } of surface) {
    const signatures = methods.flatMap((method) => method.signatures);
    const texts = [
      ...bases,
      type,
      ...properties.map((property) => property.type),
      ...signatures.flatMap(({ parameters }) => parameters.map((parameter) => parameter.type)),
      ...signatures.map(({ returns }) => returns ?? ""),
    ];
    for (const text of texts)
      for (const mentioned of namesIn(text))
        if (declared.has(mentioned) && !exported.has(mentioned)) missing.add(`${name} mentions ${mentioned}`);
  }
  assert.deepEqual([...missing], []);
});

test("every class, function and method of the SDK has a comment", () => {
  const silent = surface.flatMap(({ name, kind, comment, methods }) => [
    ...(kind === "class" && comment.text === "" ? [name] : []),
    ...methods
      .filter(
        ({ name: method, signatures }) =>
          method !== "constructor" && signatures.every((one) => one.comment.text === ""),
      )
      .map((method) => `${name}.${method.name}`),
  ]);
  assert.deepEqual(silent, []);
});

test("the guide names the versions of the runtimes that are tested", async () => {
  const guide = await readFile(join(projectRoot, "docs/guides/sdk.md"), "utf8");
  const text = await readFile(join(projectRoot, "tests/runtimes/package.json"), "utf8");
  const { optionalDependencies, dependencies } = JSON.parse(text) as Record<string, Record<string, string>>;
  const pinned = Object.entries({ ...optionalDependencies, ...dependencies })
    .filter(([name]) => /^(?:node-|@oven|@deno|workerd)/.test(name))
    .map(([, version]) => version.replace(/^.*@/, ""));
  assert.ok(pinned.length >= 5);
  for (const version of pinned) assert.ok(guide.includes(version), `the guide does not name ${version}`);
});

test("every promise that the guide names is in the specification", async () => {
  const guide = await readFile(join(projectRoot, "docs/guides/sdk.md"), "utf8");
  const specification = await readFile(join(projectRoot, "SPECIFICATION.md"), "utf8");
  const named = [...new Set(guide.match(/\bSDK-\d+\b/g))];
  assert.ok(named.length >= 11);
  for (const number of named) assert.match(specification, new RegExp(`^\\| ${number} +\\|`, "m"));
});

test("a comment is read with its tags, wrapped lines, lists and code", () => {
  const comment = docCommentOf(`/** An earlier comment. */
  /**
   * Runs
   * something. @throws WrennError \`first\`.
   *
   * - one
   * - two
   *
   * @param cmd - what to
   *   run.
   * @returns the result
   * @throws WrennError \`second\`.
   * @example
   * \`\`\`ts
   * // @param is code here
   *   run();
   * \`\`\`
   * @internal
   */
  `);
  assert.equal(comment.text, "Runs something.");
  assert.deepEqual(comment.throws, ["WrennError `first`.\n\n- one\n- two", "WrennError `second`."]);
  assert.deepEqual([...comment.parameters], [["cmd", "what to run."]]);
  assert.equal(comment.returns, "the result");
  assert.deepEqual(comment.examples, ["// @param is code here\n  run();"]);
  assert.ok(comment.isInternal);
  assert.equal(docCommentOf("const nothing = 1;").text, "");
  assert.throws(() => docCommentOf("/** @see nothing */"), /does not show @see/);
});

test("a page has overloads, inherited options, defaults, links and errors, and nothing internal", () => {
  const page = renderSdkReference(
    readPublicSurface({
      "index.ts": `
        export { Capsule } from "./capsules/fixture.ts";
        export { Tools } from "./commands/fixture.ts";
        export type { CallOptions, Commands, Outcome as Result, RunToolOptions, State } from "./commands/fixture.ts";
      `,
      "capsules/fixture.ts": `
        import type { Tools } from "../commands/fixture.ts";
        abstract class Access {
          /** Of the base. */
          readonly id = "a";
          protected constructor() {}
          protected inner(): void {}
          /** Its address. @param port - default: 80. */
          url(port = 80): string { return this.id + port; }
        }
        /** A capsule. */
        export class Capsule extends Access {
          /** Its {@link Tools.run | tools}. */
          get tools(): Tools { throw new Error(); }
          /** Only for the package. @internal */
          readonly http = 1;
          private readonly other = 2;
          readonly #hidden = 3;
          hidden(): number { return this.#hidden + this.other; }
        }
      `,
      "commands/fixture.ts": `
        /** Options of each call. */
        export interface CallOptions<Chunk = string> {
          readonly signal?: AbortSignal | undefined;
          readonly onChunk?: ((chunk: Chunk) => void) | undefined;
        }
        /** Options of a tool. */
        export interface RunToolOptions extends CallOptions<Uint8Array> {
          /** Milliseconds. Default: 5. */
          readonly timeoutMs?: number | undefined;
          readonly onText?: ((text: string) => void) | undefined;
        }
        interface Internal { readonly one: number }
        /** How it ended. */
        export type Outcome =
          | "good"
          | "bad";
        interface Wire { readonly status: "a" | "b" }
        /** Its state. */
        export type State = Wire["status"];
        /** A name that another heading has: see {@link Capsule.tools} and {@link Commands}. */
        export interface Commands { readonly one: number }
        /** Tools. */
        export class Tools {
          /** Made by the package. */
          constructor(parts: Internal) { this.parts = parts; }
          private readonly parts: Internal;
          /**
           * Runs it. See docs/reference/errors.md.
           *
           * @param name - its name.
           * @throws WrennError \`tool_failed\`.
           * @example
           * \`\`\`ts
           * await capsule.tools.run("a");
           * \`\`\`
           */
          run(name: string, options?: RunToolOptions): Promise<Outcome>;
          run(name: string, count: number): Promise<readonly Outcome[]>;
          async run(): Promise<never> { throw new Error(); }
        }
      `,
    }),
  );
  for (const expected of [
    "| `tools` | [`Tools`](#tools) | Its [tools](#capsuletoolsrun). |",
    "| `id` |",
    "#### `capsule.url()`",
    "url(port?: number): string",
    "- `port`: default: 80.",
    "#### `capsule.tools.run()`",
    "run(name: string, options?: RunToolOptions): Promise<Result>\nrun(name: string, count: number): Promise<readonly Result[]>",
    "Runs it. See [errors.md](errors.md).",
    "- `name`: its name.",
    "| `timeoutMs?` | `number` | Milliseconds. Default: 5. |",
    "| `onText?` | `(text: string) => void` |  |",
    "| `signal?` | `AbortSignal` |  |",
    "| `onChunk?` | `(chunk: Uint8Array) => void` |  |",
    "Throws `WrennError` `tool_failed`.",
    'type State = "a" | "b";',
    "- [Commands](#commands): ",
    "see [`Capsule.tools`](#capsule) and [`Commands`](#commands-1).",
    'await capsule.tools.run("a");',
    'type Result =\n  | "good"\n  | "bad";',
  ])
    assert.ok(page.includes(expected), `${expected}\n\nis not in\n\n${page}`);
  assert.doesNotMatch(page, /`http`|`other`|#hidden|new Tools|Access|inner/);
});
