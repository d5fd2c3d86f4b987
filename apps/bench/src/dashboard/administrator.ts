/** Who uses the dashboard of a row's own server. */
export interface Administrator {
  readonly email: string;
  readonly password: string;
}

const ADMINISTRATOR = { email: "bench@example.org", password: "a password of many words", name: "Bench" };

/** Creates the first administrator of a server, who owns the team of its first API key. */
export async function createAdministrator(url: string, token: string | undefined): Promise<Administrator> {
  const answer = await fetch(new URL("/v1/auth/bootstrap", url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...ADMINISTRATOR, token }),
  });
  if (!answer.ok) throw new Error(`the first administrator: ${answer.status} ${await answer.text()}`);
  return ADMINISTRATOR;
}
