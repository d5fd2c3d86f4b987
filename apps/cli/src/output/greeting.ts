import { browserAddress } from "@wrenn/client";
import type { StartedControlPlane } from "@wrenn/server";

/** From a new server to a web page that everyone can open; the last command prints its address. README.md has them, too. */
const firstCommands = [
  "./wrenn create --name web",
  `./wrenn exec web -- sh -c 'mkdir -p app && echo "<h1>Hello from $(hostname)</h1>" > app/index.html'`,
  "./wrenn exec -d web -- python3 -m http.server 8000 -d app",
  "./wrenn port set web 8000 public",
];

export interface GreetingOptions {
  /** How long the start took. */
  readonly seconds: string;
  /** Whether only a person reads it. Anything else, such as a service's log, is kept and read by others: it gets names of files. */
  readonly isTerminal: boolean;
  readonly hasDashboard: boolean;
  /** It was started for clients of E2B, too. */
  readonly isForE2b?: boolean;
}

/** What `wrenn up` prints once the server is ready. */
export function greeting(
  server: StartedControlPlane,
  { seconds, isTerminal, hasDashboard, isForE2b = false }: GreetingOptions,
): string {
  const { apiKey, secure, pathPortsUrl, firstAdminToken, secretFiles } = server;
  const url = browserAddress(server.url);
  return [
    "",
    `  Wrenn is ready after ${seconds} s`,
    "",
    `  URL      ${url}     (API reference: ${url}/docs)`,
    `  clients  ${url}/download     (the command line for other machines)`,
    ...(secure ? [`  HTTPS    ${secure.url}`] : []),
    ...(secure?.authorityFile === undefined ? [] : [`  trust    ${secure.authorityFile}`]),
    ...(pathPortsUrl === undefined ? [] : [`  ports    ${pathPortsUrl}/proxy/{capsule}/{port}/`]),
    `  API key  ${keyLine(apiKey, isTerminal, secretFiles.apiKey)}`,
    ...(isForE2b ? ['  E2B      eval "$(./wrenn e2b env)" sets what its clients need'] : []),
    ...(hasDashboard && (firstAdminToken === undefined || !isTerminal) ? [`  pages    ${url}/`] : []),
    ...adminLines(server, url, { isTerminal, hasDashboard }),
    "",
    "  In another terminal, a web page in a capsule (the last command prints its address):",
    ...(apiKey === undefined ? [`    ./wrenn login --url ${url}`] : []),
    ...firstCommands.map((command) => `    ${command}`),
    "",
    "  Ctrl-C stops the server.",
    "",
    "",
  ].join("\n");
}

function keyLine(apiKey: string | undefined, isTerminal: boolean, file: string): string {
  if (apiKey === undefined) return "the one that the first server of this database was given";
  return isTerminal ? apiKey : `in ${file}`;
}

/** How to create the first administrator, until one exists. Browsers do not send the fragment of a link, so no log gets the token. */
function adminLines(
  { firstAdminToken, secretFiles }: StartedControlPlane,
  url: string,
  { isTerminal, hasDashboard }: Pick<GreetingOptions, "isTerminal" | "hasDashboard">,
): readonly string[] {
  if (firstAdminToken === undefined) return [];
  if (hasDashboard && isTerminal)
    return [
      "",
      `  Open  ${url}/welcome#${firstAdminToken}`,
      "        in a browser to create the first administrator; the link works once, within a day.",
      "        `./wrenn open` prints a fresh one.",
    ];
  return [
    `  admin    ${isTerminal ? firstAdminToken : `the token in ${secretFiles.firstAdminToken}`}`,
    `           creates the first administrator by POST ${url}/v1/auth/bootstrap, within a day`,
  ];
}
