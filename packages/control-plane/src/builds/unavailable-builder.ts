import { WrennError } from "@wrenn/core";
import type { BuiltTemplate, TemplateBuilder } from "./template-builder.ts";

/** Of a server without a builder. */
export const unavailableBuilder: TemplateBuilder = {
  requireAvailable(): void {
    throw new WrennError("builds_not_available", {});
  },
  async build(): Promise<BuiltTemplate> {
    throw new WrennError("builds_not_available", {});
  },
};
