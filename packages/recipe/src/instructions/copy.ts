import { checkFlags, flagValue, splitFlags } from "../syntax/flags.ts";
import { isHeredocWord } from "../syntax/heredocs.ts";
import { parseJsonForm } from "../syntax/json-form.ts";
import { refuse } from "../syntax/refusal.ts";
import { allWords, splitBlanks } from "../syntax/words.ts";
import { JoinedText } from "../syntax/written.ts";
import type { Written } from "../syntax/written.ts";
import { requireArguments } from "./command.ts";
import type { CopyBody, InstructionBody, RawInstruction } from "./instruction.ts";

const REFUSED = {
  from: "Recipes have one stage. Make a template of the other stage, and start FROM it.",
  link: "Remove the flag: layers are independent of each other where they can be.",
  parents: "Copy each directory to its own target.",
  exclude: "Name what is to be left out in .dockerignore.",
  checksum: "Files of the context are compared by their contents anyway. Remove the flag.",
  "keep-git-dir": "Clone the repository with RUN git clone.",
  unpack: "COPY copies archives as they are, ADD unpacks them.",
};
const REMOTE = /^(?:https?|ftp|git|ssh):\/\/|^git@|^github\.com\//i;

/** COPY, and ADD of local files and archives. */
export function parseCopy(kind: "COPY" | "ADD"): (raw: RawInstruction) => InstructionBody {
  return (raw) => {
    const body = bodyOf(kind, raw);
    const remote = body.sources.find(({ text }) => REMOTE.test(text));
    if (remote !== undefined && kind === "ADD")
      refuse(
        remote,
        "ADD of remote sources is not supported in recipes",
        "Download it with RUN curl or RUN git clone.",
      );
    return { kind, ...body };
  };
}

function bodyOf(keyword: string, { args, heredocs }: RawInstruction): CopyBody {
  const { flags, rest } = splitFlags(args);
  checkFlags(flags, { keyword, allowed: ["chown", "chmod"], refused: REFUSED });
  requireArguments(rest, keyword);
  const chown = flags.find(({ name }) => name === "chown");
  const chmod = flags.find(({ name }) => name === "chmod");
  const words = wordsOf(rest);
  const target = words.at(-1);
  if (target === undefined || words.length < 2)
    refuse(rest, `${keyword} needs a source and a target`, `Write ${keyword} SOURCE… TARGET.`);
  if (isHeredocWord(target.text))
    refuse(target, `${keyword} has no target`, `Write ${keyword} <<NAME TARGET.`);
  const sources = words.slice(0, -1);
  return {
    sources: heredocs.length === 0 ? sources : sources.filter(({ text }) => !isHeredocWord(text)),
    files: heredocs,
    target,
    chown: chown && flagValue(chown),
    chmod: chmod && flagValue(chmod),
  };
}

/** The words of COPY: between blanks, or of a JSON array for names with blanks. */
function wordsOf(rest: Written): readonly Written[] {
  const listed = parseJsonForm(rest);
  if (listed === undefined) return allWords(splitBlanks(rest));
  const position = rest.positionAt(0);
  return listed.map((text) => new JoinedText(text, [{ at: 0, position }]).whole());
}
