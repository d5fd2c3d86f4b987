import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRecipe, planRecipe } from "@wrenn/recipe";
import { stepKeys } from "@wrenn/recipe/keys";

interface KeyCase {
  readonly args?: Readonly<Record<string, string>>;
  readonly base?: string;
  readonly sources?: Readonly<Record<number, string>>;
}

function keysOf(
  lines: readonly string[],
  { args = {}, base = "base", sources = {} }: KeyCase = {},
): readonly string[] {
  const plan = planRecipe(parseRecipe(lines.join("\n")), { args });
  const given = new Map(Object.entries(sources).map(([number, digest]) => [Number(number), digest]));
  return stepKeys(plan, { base, sources: given });
}

/** The first step whose key differs, from 1; undefined when all are the same. */
function firstDifference(one: readonly string[], other: readonly string[]): number | undefined {
  const at = one.findIndex((key, at) => key !== other[at]);
  if (at === -1) return one.length === other.length ? undefined : one.length + 1;
  return at + 1;
}

const recipe = ["RUN a", "ARG V=1", "RUN b", "ENV A=x", "WORKDIR /w", "COPY s t", "USER u", "RUN c"];
const sources = { 5: "digest" };

test("keys are the same for the same recipe, and are known from one version to the next", () => {
  assert.deepEqual(keysOf(recipe, { sources }), keysOf(recipe, { sources }));
  // When this changes, caches of earlier versions are lost: change VERSION with it, on purpose.
  assert.equal(keysOf(["RUN a"])[0], "9a883e777d46b31bf4d79329484ceb90ad13148fe97a6d42c16fc8750cb67134");
});

test("how a recipe is written is no part of its keys", () => {
  const other = [
    "# comment",
    "run a",
    "",
    "ARG V=1",
    "RUN \\",
    "# comment",
    "  b",
    "ENV A='x'",
    "WORKDIR /x/../w/",
    "COPY ./s ./t",
    "user u",
    "RUN --timeout=3s c",
  ];
  assert.equal(firstDifference(keysOf(recipe, { sources }), keysOf(other, { sources })), undefined);
});

test("each part of a step changes its key, and those of the steps after it", () => {
  const changes: readonly (readonly [number, string, number])[] = [
    [0, "RUN A", 1],
    [0, 'RUN ["a"]', 1],
    [0, "START a", 1],
    [0, "RUN --mount=type=secret,id=a a", 1],
    [0, "RUN --mount=type=cache,target=/a a", 1],
    [1, "ARG V=2", 2],
    [3, "ENV A=y", 7],
    [4, "WORKDIR /x", 4],
    [5, "COPY s x", 5],
    [5, "COPY s t/", 5],
    [5, "COPY --chown=a s t", 5],
    [5, "COPY --chmod=700 s t", 5],
    [5, "ADD s t", 5],
    [5, "COPY s <<E t/\n\nE", 5],
    [6, "USER v", 6],
  ];
  const before = keysOf(recipe, { sources });
  for (const [at, line, first] of changes) {
    const after = keysOf(recipe.with(at, line), { sources });
    assert.equal(firstDifference(before, after), first, line);
    assert.equal(
      new Set([...before.slice(first - 1), ...after.slice(first - 1)]).size,
      2 * distinct(before, first),
      line,
    );
  }
  assert.equal(firstDifference(before, keysOf(recipe, { sources: { 5: "other" } })), 5);
  assert.equal(firstDifference(before, keysOf(recipe, { sources, base: "other" })), 1);
});

test("what a bind mount has and where it is change the key of its step, its name in the context does not", () => {
  const mount = (source: string, target: string): string =>
    `RUN --mount=type=bind,source=${source},target=${target} a`;
  const before = keysOf([mount("x", "/x")], { sources: { 1: "d" } });
  assert.deepEqual(keysOf([mount("y", "/x")], { sources: { 1: "d" } }), before);
  assert.equal(firstDifference(before, keysOf([mount("x", "/y")], { sources: { 1: "d" } })), 1);
  assert.equal(firstDifference(before, keysOf([mount("x", "/x")], { sources: { 1: "e" } })), 1);
});

function distinct(keys: readonly string[], first: number): number {
  return new Set(keys.slice(first - 1)).size;
}

test("an argument counts from the first step on that uses it", () => {
  const lines = ["ARG V=1", "ENV A=x", "WORKDIR /w", "COPY s /t", "RUN a"];
  const inputs = { sources: { 3: "d" } };
  const before = keysOf(lines, inputs);
  assert.equal(firstDifference(before, keysOf(lines, { ...inputs, args: { V: "2" } })), 4);
  assert.equal(firstDifference(before, keysOf(lines, { ...inputs, args: { V: "1" } })), undefined);
  assert.equal(firstDifference(before, keysOf(lines, { ...inputs, args: { OTHER: "2" } })), undefined);
  const used = ["ARG V=1", "WORKDIR /$V", "RUN a"];
  assert.equal(firstDifference(keysOf(used), keysOf(used, { args: { V: "2" } })), 1);
});

test("settings that steps do not use change no key", () => {
  const steps = ["COPY s t", "RUN a", "RUN b"];
  const settings = ["LABEL a=b", "EXPOSE 80", "CMD x", "ENTRYPOINT y", "STOPSIGNAL INT", "HEALTHCHECK CMD z"];
  const inputs = { sources: { 1: "d" } };
  const [first, ...others] = steps;
  assert.ok(first !== undefined);
  const keys = keysOf([first, ...settings, ...others], inputs);
  assert.deepEqual([keys[0], ...keys.slice(-2)], keysOf(steps, inputs));
  // They have the key of the step before: the disk is the same.
  assert.deepEqual(new Set(keys.slice(0, 1 + settings.length)).size, 1);
});

test("a step whose sources are not known has no key", () => {
  assert.throws(() => keysOf(["COPY a b"]), /no digest of the sources of step 1/);
  assert.equal(keysOf(["COPY <<E b\nx\nE"]).length, 1);
});
