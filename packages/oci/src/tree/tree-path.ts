import { TreeError } from "./tree-error.ts";

/** Bytes of a name on Linux, and of a path with the NUL at its end. */
const MAX_NAME = 255;
export const MAX_PATH = 4096;

/**
 * The components of a member's name, below the root. `..` takes back the component before it, as in containerd and umoci, which clean
 * names before they follow links; where these stop at the root, a name that leaves it is refused.
 *
 * @throws TreeError
 */
export function componentsOf(name: string): readonly string[] {
  const components: string[] = [];
  for (const component of splitPath(name)) {
    if (component !== "..") components.push(component);
    else if (components.pop() === undefined) throw new TreeError("its name leaves the root of the image");
  }
  return components;
}

/** The components of a path, without those that say nothing. @throws TreeError where Linux has no such path. */
export function splitPath(path: string): readonly string[] {
  if (path.length >= MAX_PATH) throw new TreeError(`its path is longer than ${MAX_PATH - 1} bytes`);
  const components = path.split("/").filter((component) => component !== "" && component !== ".");
  for (const component of components)
    if (component.length > MAX_NAME) throw new TreeError(`its name is longer than ${MAX_NAME} bytes`);
  return components;
}
