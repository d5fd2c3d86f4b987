import type { Context } from "../context.ts";

/** Characters of a key that are shown, as lists of keys show them. */
const SHOWN = 10;

/** Shows the server, the credentials and where they come from, after asking the server whether it takes them. */
export async function whoami(context: Context): Promise<void> {
  const { url, credentials, source, profile } = await context.connection();
  const wrenn = await context.wrenn();
  const info = await wrenn.info({ signal: context.signal });
  await wrenn.quota({ signal: context.signal });
  const kind = "apiKey" in credentials ? "API key" : "login";
  const key = "apiKey" in credentials ? `${credentials.apiKey.slice(0, SHOWN)}…` : undefined;
  context.output.data(
    { url, version: info.version, source, profile: profile ?? null, credentials: kind, key: key ?? null },
    () =>
      [
        `server       ${url} (version ${info.version})`,
        `credentials  ${kind}${key === undefined ? "" : ` ${key}`}`,
        `from         ${source}`,
        "",
      ].join("\n"),
  );
}
