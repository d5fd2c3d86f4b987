import { problemOf } from "@wrenn/core";

type Environment = Readonly<Record<string, string | undefined>>;

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

const PATIENCE_MS = 10_000;
/** What the earlier clients take for a key. */
const KEY = /^e2b_[0-9a-f]+$/;
/** Nothing has this id. */
const NO_ID = "0".repeat(25);
const AGENT_PORT = "49983";
const BAD_GATEWAY = 502;
const UNAUTHORIZED = 401;

/** What is wrong with the variables that clients of E2B read, a line each: form, reachability, trust, key, and what answers. */
export async function checkE2bEnvironment(env: Environment): Promise<readonly string[]> {
  const problems = [...formProblems(env)];
  const api =
    env["E2B_API_URL"] ?? (env["E2B_DOMAIN"] === undefined ? undefined : `https://api.${env["E2B_DOMAIN"]}`);
  if (api !== undefined && isUrl(api)) problems.push(...(await apiProblems(api, env["E2B_API_KEY"] ?? "")));
  const { E2B_SANDBOX_URL: agent, E2B_DOMAIN: domain } = env;
  if (agent === undefined && domain !== undefined) problems.push(...(await nameProblems(domain)));
  else if (agent !== undefined && isUrl(agent)) problems.push(...(await agentProblems(agent)));
  return problems;
}

function* formProblems(env: Environment): Generator<string> {
  const key = env["E2B_API_KEY"];
  if (key === undefined) yield "E2B_API_KEY is not set: make a key with wrenn key create --e2b.";
  else if (!KEY.test(key))
    yield "E2B_API_KEY is not e2b_ and lower-case hexadecimal digits: clients before 2.51 refuse it. Make one with wrenn key create --e2b.";
  if (env["E2B_API_URL"] === undefined && env["E2B_DOMAIN"] === undefined)
    yield "Neither E2B_API_URL nor E2B_DOMAIN is set: clients use the hosted service.";
  if (env["E2B_SANDBOX_URL"] === undefined && env["E2B_DOMAIN"] === undefined)
    yield "E2B_SANDBOX_URL is not set: clients look for sandboxes at the hosted service.";
  for (const name of ["E2B_API_URL", "E2B_SANDBOX_URL"] as const) {
    const value = env[name];
    if (value !== undefined && !isUrl(value)) yield `${name} is not an http or https URL: ${value}`;
  }
  if (env["E2B_DEBUG"]?.toLowerCase() === "true") yield "E2B_DEBUG is true: clients create no sandboxes.";
}

async function apiProblems(url: string, key: string): Promise<readonly string[]> {
  const answer = await ask(`${withoutSlash(url)}/v2/sandboxes?limit=1`, { "x-api-key": key });
  if (typeof answer === "string") return [`${url} cannot be reached: ${answer}`];
  if (answer.status === UNAUTHORIZED) return [`${url} does not know E2B_API_KEY.`];
  if (answer.status === 200 && Array.isArray(answer.body)) return [];
  return [`${url} is not the API of E2B: it answers GET /v2/sandboxes with ${answer.status}.`];
}

async function agentProblems(url: string): Promise<readonly string[]> {
  const headers = { "e2b-sandbox-id": NO_ID, "e2b-sandbox-port": AGENT_PORT };
  const answer = await ask(`${withoutSlash(url)}/health`, headers);
  if (typeof answer === "string") return [`${url} cannot be reached: ${answer}`];
  if (isNotFound(answer)) return [];
  return [
    `${url} does not route requests to sandboxes by their headers: use localhost or an address as its host.`,
  ];
}

async function nameProblems(domain: string): Promise<readonly string[]> {
  const url = `https://${AGENT_PORT}-${NO_ID}.${domain}`;
  const answer = await ask(`${url}/health`, {});
  if (typeof answer === "string") return [`${url} cannot be reached, as no name of a sandbox can: ${answer}`];
  return isNotFound(answer) ? [] : [`${url} is not the name of a sandbox to the server that answers.`];
}

/** Whether an answer is that for a sandbox that does not exist. */
function isNotFound({ status, body }: Answer): boolean {
  return status === BAD_GATEWAY && typeof body === "object" && body !== null && "sandboxId" in body;
}

/** The answer, or what went wrong on the way to it. */
async function ask(url: string, headers: Readonly<Record<string, string>>): Promise<string | Answer> {
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(PATIENCE_MS) });
    const text = await response.text();
    return { status: response.status, body: jsonOf(text) };
  } catch (error) {
    // What the connection failed of is the cause of what fetch throws.
    return problemOf(error instanceof Error && error.cause !== undefined ? error.cause : error);
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isUrl(text: string): boolean {
  const url = URL.parse(text);
  return url?.protocol === "http:" || url?.protocol === "https:";
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, "");
}
