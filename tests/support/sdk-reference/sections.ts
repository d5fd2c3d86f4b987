/** Part of the reference. */
export interface Section {
  readonly title: string;
  readonly about: string;
  /** Beginnings of the paths, relative to `packages/sdk/src`, of what belongs to it. */
  readonly paths: readonly string[];
}

/** In the order of the page. */
export const sections: readonly Section[] = [
  {
    title: "Connections",
    about: "the server, credentials, time limits, retries and quota",
    paths: ["client.ts", "wrenn/", "transport/"],
  },
  {
    title: "Capsules",
    about: "create, find, change, pause, fork and destroy capsules; their ports and network",
    paths: ["capsules/", "ports/", "network/"],
  },
  {
    title: "Commands",
    about: "run commands, read their output while it is written, send input, end them",
    paths: ["commands/"],
  },
  { title: "Terminals", about: "interactive programs", paths: ["terminals/"] },
  { title: "Files", about: "read, write, list and watch files; large transfers", paths: ["files/"] },
  { title: "Git", about: "repositories in a capsule", paths: ["git/"] },
  { title: "Events", about: "what happens: events, logs and metrics", paths: ["events/"] },
  { title: "Templates", about: "what capsules start from, and builds of it", paths: ["templates/"] },
  { title: "Errors", about: "how failures are reported and recognised", paths: ["errors/"] },
  { title: "Objects", about: "types that several calls share", paths: ["wire/"] },
];
