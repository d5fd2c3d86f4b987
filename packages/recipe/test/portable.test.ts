import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { test } from "node:test";

const source = join(import.meta.dirname, "../src");
const FROM = /\bfrom\s+"([^"]+)"/g;
/** Names that only Node.js has. */
const NODE_ONLY = /\b(?:process|Buffer|require|__dirname|setImmediate)\b|import\.meta/;

test("parser, plan and ignore rules need nothing that browsers, Bun and Deno do not have", async () => {
  const ahead = [join(source, "index.ts")];
  const seen = new Set<string>();
  const problems: string[] = [];
  for (let file = ahead.pop(); file !== undefined; file = ahead.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    const text = await readFile(file, "utf8");
    const name = relative(source, file);
    const code = text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"/g, "");
    if (NODE_ONLY.test(code)) problems.push(`${name} uses a global of Node.js`);
    for (const [, specifier = ""] of text.matchAll(FROM))
      if (specifier.startsWith(".")) ahead.push(join(file, "..", specifier));
      else problems.push(`${name} imports ${specifier}`);
  }
  assert.deepEqual(problems, []);
  assert.ok(seen.size > 20, String(seen.size));
});
