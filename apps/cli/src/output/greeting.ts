import type { StartedControlPlane } from "@wrenn/server";

export interface GreetingOptions {
  /** How long the start took. */
  readonly seconds: string;
  /** Whether only a person reads it. Anything else, such as a service's log, is kept and read by others: it gets names of files. */
  readonly isTerminal: boolean;
}

/** What `wrenn up` prints once the server is ready. */
export function greeting(server: StartedControlPlane, { seconds, isTerminal }: GreetingOptions): string {
  const { url, apiKey, secure, pathPortsUrl, firstAdminToken, secretFiles } = server;
  const key = isTerminal ? apiKey : undefined;
  const header = `-H 'X-API-Key: ${key ?? "…"}'`;
  return [
    "",
    `  Wrenn is ready after ${seconds} s`,
    "",
    `  URL      ${url}     (API reference: ${url}/docs)`,
    ...(secure ? [`  HTTPS    ${secure.url}`] : []),
    ...(secure?.authorityFile === undefined ? [] : [`  trust    ${secure.authorityFile}`]),
    ...(pathPortsUrl === undefined ? [] : [`  ports    ${pathPortsUrl}/proxy/{capsule}/{port}/`]),
    `  API key  ${keyLine(apiKey, isTerminal, secretFiles.apiKey)}`,
    ...(firstAdminToken === undefined
      ? []
      : [
          `  admin    ${isTerminal ? firstAdminToken : `the token in ${secretFiles.firstAdminToken}`}`,
          `           creates the first administrator by POST ${url}/v1/auth/bootstrap, within a day`,
        ]),
    "",
    "  Try, in another terminal:",
    ...(apiKey === undefined ? [] : ["    ./wrenn run -- python3 -c 'print(6*7)'"]),
    `    curl -s ${url}/v1/capsules -X POST ${header} -H 'Content-Type: application/json' -d '{}'`,
    `    curl -s ${url}/v1/capsules ${header}`,
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
