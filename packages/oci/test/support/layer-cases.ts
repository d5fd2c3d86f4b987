import { dir, file, hardLink, link, opaque, removed } from "./tar-builder.ts";
import type { TestMember } from "./tar-builder.ts";

/** Layers, and what umoci makes of them: the table was written from its answers. */
export interface LayerCase {
  readonly name: string;
  readonly layers: readonly (readonly TestMember[])[];
  /** As listTree lists it; undefined: refused. */
  readonly tree: readonly string[] | undefined;
  /** Why umoci's answer is another one. */
  readonly differs?: string;
}

const D = "directory 755 0:0";
const F = "file 644 0:0";

export const layerCases: readonly LayerCase[] = [
  {
    name: "a whiteout removes a file of a lower layer",
    layers: [[file("a", "1"), file("b", "2")], [removed("a")]],
    tree: [`b ${F} "2"`],
  },
  {
    name: "a whiteout removes a directory with all that is in it",
    layers: [[dir("d"), file("d/a", "1"), dir("d/e"), file("d/e/b")], [removed("d")]],
    tree: [],
  },
  {
    name: "a whiteout of a name that does not exist removes nothing",
    layers: [[dir("d")], [removed("d/none"), removed("none/deep")]],
    tree: [`d ${D}`],
  },
  {
    name: "a whiteout before and after an entry of its own layer leaves that entry",
    layers: [
      [file("a", "old"), file("b", "old")],
      [removed("a"), file("a", "new"), file("b", "new"), removed("b")],
    ],
    tree: [`a ${F} "new"`, `b ${F} "new"`],
  },
  {
    name: "a whiteout after a file of its own layer in a lower directory keeps that file only",
    layers: [
      [dir("d"), file("d/old", "1")],
      [file("d/new", "2"), removed("d")],
    ],
    tree: [`d ${D}`, `d/new ${F} "2"`],
  },
  {
    name: "an opaque whiteout empties a directory of what lower layers have",
    layers: [
      [dir("d"), file("d/a", "1"), dir("d/e"), file("d/e/b", "1")],
      [dir("d"), opaque("d")],
    ],
    tree: [`d ${D}`],
  },
  {
    name: "entries below an opaque directory are created again, before and after the whiteout",
    layers: [
      [dir("d"), file("d/a", "old"), file("d/b", "old"), file("d/c", "old")],
      [dir("d"), file("d/a", "new"), opaque("d"), file("d/b", "new")],
    ],
    tree: [`d ${D}`, `d/a ${F} "new"`, `d/b ${F} "new"`],
  },
  {
    name: "an opaque whiteout reaches into directories that its own layer writes again",
    layers: [
      [dir("d"), dir("d/e"), file("d/e/old", "1")],
      [dir("d"), dir("d/e"), file("d/e/new", "2"), opaque("d")],
    ],
    tree: [`d ${D}`, `d/e ${D}`, `d/e/new ${F} "2"`],
  },
  {
    name: "a directory is replaced by a link and back",
    layers: [
      [dir("d"), file("d/a", "1"), dir("t"), file("t/b", "2")],
      [link("d", "t")],
      [dir("d"), file("d/c", "3")],
    ],
    tree: [`d ${D}`, `d/c ${F} "3"`, `t ${D}`, `t/b ${F} "2"`],
  },
  {
    name: "a link replaces a directory with what is in it",
    layers: [[dir("d"), file("d/a", "1"), dir("t")], [link("d", "t")]],
    tree: ["d link t", `t ${D}`],
  },
  {
    name: "a file is replaced by a directory, and a directory by a file",
    layers: [
      [file("a", "1"), dir("b"), file("b/x", "2")],
      [dir("a"), file("a/y", "3"), file("b", "4")],
    ],
    tree: [`a ${D}`, `a/y ${F} "3"`, `b ${F} "4"`],
  },
  {
    name: "a hard link is another name of a file of its layer",
    layers: [[file("a", "1"), hardLink("b", "a")]],
    tree: [`a ${F} "1"`, "b = a"],
  },
  {
    name: "a hard link is another name of a file of a lower layer",
    layers: [[dir("d"), file("d/a", "1")], [hardLink("b", "d/a")]],
    tree: [`b ${F} "1"`, `d ${D}`, "d/a = b"],
  },
  {
    name: "replacing one name of a hard link leaves the others",
    layers: [[file("a", "1"), hardLink("b", "a"), hardLink("c", "a")], [file("a", "2")]],
    tree: [`a ${F} "2"`, `b ${F} "1"`, "c = b"],
  },
  {
    name: "a hard link may replace a file, and be removed",
    layers: [[file("a", "1"), file("b", "2"), file("c", "3")], [hardLink("b", "a")], [removed("a")]],
    tree: [`b ${F} "1"`, `c ${F} "3"`],
  },
  {
    name: "a hard link to a link is another name of the link",
    layers: [[link("l", "nowhere"), hardLink("m", "l")]],
    tree: ["l link nowhere", "m = l"],
  },
  {
    name: "attributes in the entry of a hard link are not those of the file",
    layers: [[file("a", "1", { mode: 0o600, uid: 5 }), hardLink("b", "a", { mode: 0o777, uid: 7 })]],
    tree: ['a file 600 5:0 "1"', "b = a"],
  },
  {
    name: "entries below a link to a directory are written where it leads",
    layers: [[dir("usr"), dir("usr/bin"), link("bin", "usr/bin")], [file("bin/x", "1")]],
    tree: ["bin link usr/bin", `usr ${D}`, `usr/bin ${D}`, `usr/bin/x ${F} "1"`],
  },
  {
    name: "a whiteout below a link to a directory removes where it leads",
    layers: [[dir("usr"), file("usr/x", "1"), file("usr/y", "2"), link("l", "usr")], [removed("l/x")]],
    tree: ["l link usr", `usr ${D}`, `usr/y ${F} "2"`],
  },
  {
    name: "absolute links and links upwards stay inside the image",
    layers: [
      [dir("t"), link("abs", "/t"), link("up", "../../../t"), dir("d"), link("d/out", "/../t")],
      [file("abs/a", "1"), file("up/b", "2"), file("d/out/c", "3")],
    ],
    tree: [
      "abs link /t",
      `d ${D}`,
      "d/out link /../t",
      `t ${D}`,
      `t/a ${F} "1"`,
      `t/b ${F} "2"`,
      `t/c ${F} "3"`,
      "up link ../../../t",
    ],
  },
  {
    name: "entries below a link that leads to nothing make the directory that it names",
    layers: [[link("l", "var/data")], [file("l/a", "1")]],
    tree: ["l link var/data", `var ${D}`, `var/data ${D}`, `var/data/a ${F} "1"`],
  },
  {
    name: "a directory over a link to a directory replaces the link",
    layers: [
      [dir("usr"), dir("usr/bin"), file("usr/bin/a", "1"), link("bin", "usr/bin")],
      [dir("bin"), file("bin/b", "2")],
    ],
    tree: [`bin ${D}`, `bin/b ${F} "2"`, `usr ${D}`, `usr/bin ${D}`, `usr/bin/a ${F} "1"`],
  },
  {
    name: "a hard link whose target is below a link",
    layers: [[dir("usr"), file("usr/a", "1"), link("l", "usr")], [hardLink("b", "l/a")]],
    tree: [`b ${F} "1"`, "l link usr", `usr ${D}`, "usr/a = b"],
  },
  {
    name: "a directory over a directory changes its attributes and keeps what is in it",
    layers: [[dir("d"), file("d/a", "1")], [dir("d", { mode: 0o1700, uid: 3, gid: 4 })]],
    tree: ["d directory 1700 3:4", `d/a ${F} "1"`],
  },
  {
    name: "missing parents are root's, with mode 755",
    layers: [[file("a/b/c", "1", { uid: 9 })]],
    tree: [`a ${D}`, `a/b ${D}`, 'a/b/c file 644 9:0 "1"'],
  },
  {
    name: "of a name that a layer has twice the last entry counts",
    layers: [
      [file("a", "1"), file("a", "2"), dir("d"), file("d/x"), link("d", "a"), file("e", "1"), dir("e")],
    ],
    tree: [`a ${F} "2"`, "d link a", `e ${D}`],
  },
  {
    name: "names with ./ and / at their begin are below the root",
    layers: [[file("./a", "1"), file("/b", "2"), file("x/../c", "3"), file("d//e/./f", "4")]],
    tree: [`a ${F} "1"`, `b ${F} "2"`, `c ${F} "3"`, `d ${D}`, `d/e ${D}`, `d/e/f ${F} "4"`],
  },
  {
    name: "set-user-id, fifos and ids",
    layers: [
      [
        file("s", "1", { mode: 0o4755 }),
        file("g", "", { mode: 0o2755, uid: 1000, gid: 50 }),
        { name: "p", flag: "6", mode: 0o640 },
        dir("tmp", { mode: 0o1777 }),
      ],
    ],
    tree: ['g file 2755 1000:50 ""', "p fifo 640 0:0", 's file 4755 0:0 "1"', "tmp directory 1777 0:0"],
  },
  {
    name: "the entry of the root changes nothing else",
    layers: [[dir("."), file("a", "1")], [dir(".")]],
    tree: [`a ${F} "1"`],
  },
  {
    name: "a layer without entries changes nothing",
    layers: [[file("a", "1")], []],
    tree: [`a ${F} "1"`],
  },
  {
    name: "a file in place of a directory on the way is refused",
    layers: [[file("a", "1")], [file("a/b", "2")]],
    tree: undefined,
  },
  {
    name: "a hard link to a missing file is refused",
    layers: [[hardLink("a", "b")]],
    tree: undefined,
  },
  {
    name: "links that lead in a circle are refused",
    layers: [[link("a", "b"), link("b", "a"), file("a/c", "1")]],
    tree: undefined,
  },
];
