import { spawn } from "node:child_process";

const OPENERS: Readonly<Partial<Record<NodeJS.Platform, readonly [string, ...string[]]>>> = {
  darwin: ["open"],
  win32: ["rundll32", "url.dll,FileProtocolHandler"],
};

/** Whether there is a desktop that may have a browser: without one, programs that open addresses would start one in the terminal. */
export function hasDesktop(env: Readonly<Record<string, string | undefined>>): boolean {
  return (
    OPENERS[process.platform] !== undefined || [env["DISPLAY"], env["WAYLAND_DISPLAY"]].some((name) => !!name)
  );
}

/**
 * Opens an address in the browser of this desktop; false when there is none. The address is no part of a shell line, but other users of
 * this machine may see it in the list of processes.
 */
export async function openInBrowser(
  url: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<boolean> {
  if (!hasDesktop(env)) return false;
  const [program, ...args] = OPENERS[process.platform] ?? ["xdg-open"];
  const child = spawn(program, [...args, url], { stdio: "ignore", detached: true });
  child.unref();
  return await new Promise((resolve) => {
    child.once("error", () => resolve(false));
    child.once("spawn", () => resolve(true));
  });
}
