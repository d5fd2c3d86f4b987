import type { Command, Option } from "commander";
import { exitCodes } from "../errors/exit-codes.ts";
import type { DocumentFields } from "./document.ts";
import { verbReference } from "./verbs.ts";
import type { JsonAnswer } from "./verb-reference.ts";

/** Parts of the page that the definitions of commands do not have. */
const INTRODUCTION = `# Command line

Generated from the definitions of the commands by \`npm run reference\`; do not edit.

\`./wrenn\` of a checkout has every command. Those below [Client commands](#client-commands) talk to a server, need neither root nor Debian, and are the whole of the command line on client machines.

## Names of capsules

Where a command takes a capsule, it takes its id, its name, a beginning of its id of at least four characters (with or without \`cl-\`), or \`-\` for the last one that was created or used with the profile, or without one with the server of this machine. A beginning that fits several is refused with the candidates, an unknown name with the nearest one.

## Server and credentials

The first of these that there is:

1. \`WRENN_URL\` and \`WRENN_API_KEY\`. One alone is completed by what follows, but stored credentials go to no other server than their own.
2. The profile of \`--profile\` or \`WRENN_PROFILE\`.
3. The current profile (\`wrenn config use\`).
4. The server of this machine, from a checkout that has run \`./wrenn up\`.

\`wrenn whoami\` says which it is. Teams, API keys and hosts act for a person: they need a login, an API key is refused with exit code 3.

## Output

Data goes to standard output, everything else to standard error. Under \`--json\`, standard output gets exactly one JSON document, or one line for each item of a stream, and errors are that document: \`{ "error": { "code", "reason", "message", "remedy", "request_id" } }\`. Times are RFC 3339 in UTC. [Documents](#documents) lists the members of each; a version may add members.

Colour appears on terminals only, and never with \`NO_COLOR\`. Names and output of others are shown with control characters escaped. There is no prompt without a terminal.

A command whose reader goes away, such as \`events -f | head -1\`, ends with code 141 at the next line that it prints: Node.js does not report the end of a pipe's reader before a write.
`;

const ENVIRONMENT: readonly (readonly [name: string, text: string])[] = [
  ["WRENN_URL", "address of the server"],
  ["WRENN_API_KEY", "API key; wins over stored credentials"],
  ["WRENN_PROFILE", "profile to use, as `--profile`"],
  ["WRENN_DETACH_KEYS", "keys that leave a terminal, or `none`; wins over the profile"],
  ["WRENN_CA_FILE", "file of certificate authorities (PEM) that are trusted as well"],
  ["NO_COLOR", "no colour, whatever its value"],
  ["XDG_CONFIG_HOME", "where the profiles are, instead of `~/.config`"],
  ["HTTPS_PROXY, HTTP_PROXY, NO_PROXY", "proxy to the server"],
];

const FILES: readonly (readonly [name: string, text: string])[] = [
  [
    "~/.config/wrenn/profiles.json",
    "profiles with their credentials, of mode 0600 in a directory of mode 0700; one that others can read is refused",
  ],
  ["%APPDATA%\\wrenn\\profiles.json", "the same on Windows"],
];

const SYSTEMS = `Tested: Linux with Node.js 26 (x86-64). The client commands are written for Linux, macOS and Windows with Node.js 20.18 or newer; the last two are not tested. Completion is tested in bash, and in zsh and fish where they are installed.
`;

/**
 * The page about a program.
 *
 * @param root - the program with all its commands.
 */
export function renderCliReference(root: Command): string {
  const commands = leavesOf(root);
  const client = Object.keys(verbReference).flatMap((verb) => commands.filter(({ words }) => words === verb));
  const own = commands.filter(({ words }) => !(words in verbReference));
  return [
    INTRODUCTION,
    "## Client commands\n",
    ...client.map(section),
    "## Commands of a checkout\n",
    ...own.map(section),
    "## Documents\n",
    "A member with `?` is absent where it has no value.\n",
    ...documentsOf(client),
    "## Exit codes\n",
    table(
      ["code", "meaning"],
      Object.values(exitCodes).map(({ code, meaning }) => [String(code), meaning]),
    ),
    "`143` and `129`: ended by SIGTERM and SIGHUP.\n",
    "## Environment\n",
    table(["variable", ""], ENVIRONMENT.map(code)),
    "## Files\n",
    table(["file", ""], FILES.map(code)),
    "## Systems\n",
    SYSTEMS,
  ].join("\n");
}

interface Leaf {
  /** Words behind `wrenn`. */
  readonly words: string;
  readonly command: Command;
}

/** Commands that do something, in the order of the help. */
export function leavesOf(root: Command, before: readonly string[] = []): readonly Leaf[] {
  return root
    .createHelp()
    .visibleCommands(root)
    .filter((command) => root.commands.includes(command))
    .flatMap((command) => {
      const words = [...before, command.name()];
      return command.commands.length > 0 ? leavesOf(command, words) : [{ words: words.join(" "), command }];
    });
}

function section({ words, command }: Leaf): string {
  const { examples = [], json } = verbReference[words] ?? {};
  const [alias] = command.aliases();
  const parent = words.split(" ").slice(0, -1);
  const usage = ["wrenn", ...parent, command.name(), command.usage()].join(" ");
  const takes = [
    ...command.registeredArguments.map((one) => {
      const name = one.variadic ? `${one.name()}...` : one.name();
      const choices = one.argChoices?.join(", ");
      return [
        `\`${one.required ? `<${name}>` : `[${name}]`}\``,
        [one.description, choices].filter((text) => text).join(": "),
      ] as const;
    }),
    ...command.options
      .filter(({ hidden }) => !hidden)
      .map((option) => [`\`${option.flags}\``, textOf(option)] as const),
  ];
  return [
    `### \`wrenn ${words}\`\n`,
    `${sentence(command.description())}${alias === undefined ? "" : ` Also: \`wrenn ${[...parent, alias].join(" ")}\`.`}\n`,
    `\`\`\`text\n${usage}\n\`\`\`\n`,
    ...(takes.length === 0 ? [] : [table(["argument or option", ""], takes)]),
    ...(examples.length === 0 ? [] : [`\`\`\`sh\n${examples.join("\n")}\n\`\`\`\n`]),
    ...(json
      ? [`With \`--json\`: ${formText(json)}.${json.note === undefined ? "" : ` ${json.note}`}\n`]
      : []),
  ].join("\n");
}

function textOf({ description, defaultValue, argChoices }: Option): string {
  const notes = [
    ...(argChoices ? [`one of ${argChoices.join(", ")}`] : []),
    ...(defaultValue === undefined || typeof defaultValue === "boolean" || Array.isArray(defaultValue)
      ? []
      : [`default: ${String(defaultValue)}`]),
  ];
  return notes.length === 0 ? description : `${description} (${notes.join("; ")})`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function formText({ form, name }: JsonAnswer): string {
  const link = `[${name}](#${name.toLowerCase()})`;
  if (form === "object") return link;
  return form === "list" ? `a list of ${link}` : `a line for each ${link}`;
}

function documentsOf(leaves: readonly Leaf[]): readonly string[] {
  const fields = new Map<string, DocumentFields>();
  for (const { words } of leaves) {
    const json = verbReference[words]?.json;
    if (json) fields.set(json.name, json.fields);
  }
  return [...fields].flatMap(([name, members]) => [
    `### ${name}\n`,
    table(["member", "kind", ""], rowsOf(members)),
  ]);
}

/** A member of objects in a list is named by its path: `versions[].tags`. */
function rowsOf(fields: DocumentFields, path = ""): readonly (readonly string[])[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    if ("items" in field)
      return [
        [`\`${path}${name}\``, "list of objects", field.text],
        ...rowsOf(field.items, `${path}${name}[].`),
      ];
    const [, kind = "", mark = ""] = /^(\w+)(.*)$/.exec(field[0]) ?? [];
    const kinds: Readonly<Record<string, string>> = {
      strings: "list of strings",
      pairs: "object of strings",
    };
    const isOptional = mark === "?";
    return [
      [
        `\`${path}${name}${isOptional ? "?" : ""}\``,
        `${kinds[kind] ?? kind}${isOptional ? "" : mark}`,
        field[1],
      ],
    ];
  });
}

const code = ([name, text]: readonly [string, string]): readonly string[] => [`\`${name}\``, text];

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", String.raw`\|`)).join(" | ")} |\n`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("");
}
