import assert from "node:assert/strict";
import { before, test } from "node:test";
import { buildDashboard } from "@wrenn/host-setup";
import { BuiltScripts } from "../support/built-scripts.ts";
import { projectRoot } from "../support/sources.ts";

/** Of the scripts that are loaded before a terminal is opened, gzipped; with the heads of the answers it is what the bench measures. */
const LIMIT_BYTES = 150 * 1024;
/** Head of an answer with a script: security fields, caching and entity tag. */
const HEAD_BYTES = 900;
/** Texts of the pages on the way to the list: outermost layout and runtime are loaded with every page. */
const PAGES = ["Log in to Wrenn", "Skip to the content", "Search capsules"];
/** Names in the style sheets that the large parts write themselves. */
const TERMINAL = "xterm-helper-textarea";
const PLOTS = "u-legend";
const EDITOR = "cm-content";

let scripts: BuiltScripts;
let first: ReadonlySet<string>;
before(async () => {
  scripts = await BuiltScripts.read(await buildDashboard({ projectRoot, progress: () => {} }));
  const pages = PAGES.map((text) => {
    const [script, ...others] = scripts.containing(text);
    assert.ok(script !== undefined && others.length === 0, `${text}: in one script`);
    return script;
  });
  first = scripts.withImports([...scripts.named(/\/entry\/|\/nodes\/0\./), ...pages]);
});

test("the scripts from the log-in page to the list of capsules are at most 150 KiB, gzipped", () => {
  const bytes = [...first].map((name) => scripts.gzippedBytes(name) + HEAD_BYTES);
  const total = bytes.reduce((sum, one) => sum + one, 0);
  assert.ok(total > 50 * 1024, "the way to the list was not found");
  assert.ok(total <= LIMIT_BYTES, `${first.size} scripts have ${Math.round(total / 1024)} KiB`);
});

test("terminal, plots and editor are not among them", () => {
  for (const part of [TERMINAL, PLOTS])
    assert.notDeepEqual(scripts.containing(part), [], `${part} is in the dashboard`);
  for (const part of [TERMINAL, PLOTS, EDITOR])
    assert.deepEqual(
      scripts.containing(part).filter((name) => first.has(name)),
      [],
      part,
    );
});

test("no script needs one that needs it", () => {
  assert.equal(scripts.circle()?.join(" → "), undefined);
});
