import { quote, refuse } from "../syntax/refusal.ts";
import { suggest } from "../syntax/suggest.ts";
import { parseCopy } from "./copy.ts";
import { parseHealthcheck } from "./healthcheck.ts";
import type { InstructionBody, RawInstruction } from "./instruction.ts";
import { parseArg, parseEnv, parseLabel } from "./pairs.ts";
import { parseRun } from "./run.ts";
import {
  parseCmd,
  parseEntrypoint,
  parseExpose,
  parseFrom,
  parseShell,
  parseStart,
  parseStopsignal,
  parseUser,
  parseWorkdir,
} from "./simple.ts";

const parsers: Readonly<Record<InstructionBody["kind"], (raw: RawInstruction) => InstructionBody>> = {
  FROM: parseFrom,
  ARG: parseArg,
  ENV: parseEnv,
  LABEL: parseLabel,
  RUN: parseRun,
  START: parseStart,
  COPY: parseCopy("COPY"),
  ADD: parseCopy("ADD"),
  WORKDIR: parseWorkdir,
  USER: parseUser,
  SHELL: parseShell,
  CMD: parseCmd,
  ENTRYPOINT: parseEntrypoint,
  EXPOSE: parseExpose,
  STOPSIGNAL: parseStopsignal,
  HEALTHCHECK: parseHealthcheck,
};

/** Instructions of Docker that recipes do not have, and what to do instead. */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ["VOLUME", "Remove it: files that steps write are in the template, and each capsule has its own copy."],
  ["ONBUILD", "Write the instruction into the recipes that start from this template."],
  ["MAINTAINER", "Write LABEL maintainer=NAME."],
]);

const heredocKeywords: ReadonlySet<string> = new Set(["RUN", "COPY", "ADD"]);

/** Whether lines after the instruction may belong to it. */
export function takesHeredocs(keyword: string): boolean {
  return heredocKeywords.has(keyword.toUpperCase());
}

/** Reads one instruction. Refuses what recipes do not have, by name. */
export function parseInstruction(raw: RawInstruction): InstructionBody {
  const keyword = raw.keyword.text.toUpperCase();
  const advice = REFUSED.get(keyword);
  if (advice !== undefined) refuse(raw.keyword, `${keyword} is not supported in recipes`, advice);
  const parse = Object.hasOwn(parsers, keyword) ? parsers[keyword as InstructionBody["kind"]] : undefined;
  if (parse === undefined)
    refuse(
      raw.keyword,
      `unknown instruction ${quote(raw.keyword.text)}`,
      suggest(keyword, Object.keys(parsers)),
    );
  return parse(raw);
}
