import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { projectRoot } from "./sources.ts";
import type { ApiCaller } from "./api-caller.ts";

const SOURCES = join(projectRoot, "tests/support/guest");
/** Where they are in a capsule. */
const DIRECTORY = "/srv/services";

/** Writes a file of a capsule through the API. */
export async function putFile(
  api: ApiCaller,
  id: string,
  path: string,
  content: string | Buffer | Blob,
): Promise<void> {
  const url = new URL(`/v1/capsules/${id}/files/content?path=${encodeURIComponent(path)}`, api.url);
  const answer = await fetch(url, { method: "PUT", headers: { "x-api-key": api.apiKey }, body: content });
  if (!answer.ok) throw new Error(`writing ${path} answered ${answer.status}: ${await answer.text()}`);
}

/** Copies the Python services of the tests into a capsule. */
export async function copyServices(api: ApiCaller, id: string): Promise<void> {
  for (const name of await readdir(SOURCES))
    if (name.endsWith(".py"))
      await putFile(api, id, `${DIRECTORY}/${name}`, await readFile(join(SOURCES, name)));
}

/** Starts one of them on a port and waits until it listens. */
export async function startService(
  api: ApiCaller,
  id: string,
  service: { readonly name: string; readonly port: number; readonly args?: readonly string[] },
): Promise<void> {
  const args = [`${DIRECTORY}/${service.name}.py`, String(service.port), ...(service.args ?? [])];
  const { status, body } = await api.exec(id, "python3", args, { background: true });
  if (status >= 300) throw new Error(`starting ${service.name} answered ${status}: ${JSON.stringify(body)}`);
  await listening(api, id, service.port);
}

/** Waits until something listens on a port of the capsule. */
export async function listening(api: ApiCaller, id: string, port: number, seconds = 60): Promise<void> {
  const line = `until ss -Hltn 'sport = :${port}' | grep -q .; do ((SECONDS < ${seconds})) || exit 1; sleep 0.2; done`;
  const { body } = await api.exec(id, "bash", ["-c", line], { timeout_sec: seconds * 2 });
  if (body.exit_code !== 0) throw new Error(`nothing listens on port ${port} after ${seconds} s`);
}
