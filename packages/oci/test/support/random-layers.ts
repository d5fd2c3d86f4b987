import { dir, file, hardLink, link, opaque, removed } from "./tar-builder.ts";
import type { TestMember } from "./tar-builder.ts";
import type { SeededRandom } from "./seeded-random.ts";

const DIRECTORIES: readonly [string, ...string[]] = ["a", "b", "c"];
const FILES: readonly [string, ...string[]] = ["x", "y", "z"];

/** Layers of few names, so that most entries meet others. */
export function randomLayers(random: SeededRandom): readonly (readonly TestMember[])[] {
  const files: string[] = [];
  return Array.from({ length: 2 + random.below(3) }, (_, layer) =>
    Array.from({ length: 1 + random.below(8) }, (_, at) => {
      const member = randomMember(random, `${layer}.${at}`, files.at(-1 - random.below(4)));
      if (member.content !== undefined && !member.name.includes(".wh.")) files.push(member.name);
      return member;
    }),
  );
}

/** @param known - a file that was written before. */
function randomMember(random: SeededRandom, content: string, known: string | undefined): TestMember {
  // Mostly a name stays what it is, so that most images can be made; the others show what happens when it does not.
  const isOdd = random.below(8) === 0;
  const leaf = randomPath(random, isOdd ? DIRECTORIES : FILES);
  const directory = randomPath(random, isOdd ? FILES : DIRECTORIES);
  switch (random.below(9)) {
    case 0:
    case 1:
      return dir(directory, { mode: 0o700 + random.below(64), uid: random.below(3) });
    case 2:
      return link(leaf, random.pick(["/a", "b", "../c", "a/b", "/", "nowhere", "../../a/b", "x"]));
    case 3:
      return link(directory, random.pick(["/a", "b", "../c", "a/b", "/", "nowhere", "../../a/b"]));
    case 4:
      return known === undefined ? file(leaf, content) : hardLink(leaf, known);
    case 5:
      return removed(random.pick([leaf, directory]));
    case 6:
      return opaque(directory);
    default:
      return file(leaf, content, { uid: random.below(3) });
  }
}

function randomPath(random: SeededRandom, names: readonly [string, ...string[]]): string {
  const parents = Array.from({ length: random.below(3) }, () => random.pick(DIRECTORIES));
  return [...parents, random.pick(names)].join("/");
}
