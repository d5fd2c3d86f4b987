import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { renderErrorReference } from "./error-reference.ts";
import { projectRoot } from "./sources.ts";

await writeFile(join(projectRoot, "docs/reference/errors.md"), renderErrorReference());
