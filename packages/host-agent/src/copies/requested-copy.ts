import { WrennError } from "@wrenn/core";
import type { TemplateManifest, TemplatePart } from "@wrenn/protocol";

const MIB = 2 ** 20;
/** Beyond what a guest sees: tables of an overlay, firmware beside the memory. */
const SPARE_BYTES = 64 * MIB;
/** States of devices are some 100 KiB. */
const DEVICE_STATE_BYTES = 64 * MIB;

/** The parts of a template by their roles. */
export interface RequestedParts {
  readonly image: TemplatePart;
  readonly disk: TemplatePart;
  readonly memory: TemplatePart;
  readonly deviceState: TemplatePart;
}

/** The parts of a manifest, which may say anything. @throws WrennError `template_copy_invalid`. */
export function requestedParts({ key, parts, memoryMib, diskMib }: TemplateManifest): RequestedParts {
  const part = (role: TemplatePart["role"], mostBytes: number): TemplatePart => {
    const [found, another] = parts.filter((one) => one.role === role);
    if (!found || another) throw invalid(key, `it has not one ${role}`);
    const { sizeBytes, dataBytes } = found;
    if (sizeBytes === 0 || sizeBytes > mostBytes || dataBytes > sizeBytes)
      throw invalid(key, `its ${role} has ${dataBytes} bytes of ${sizeBytes}`);
    return found;
  };
  return {
    image: part("image", diskMib * MIB),
    // Also clusters that were written in the image.
    disk: part("disk", diskMib * MIB + SPARE_BYTES),
    memory: part("memory", memoryMib * MIB + SPARE_BYTES),
    deviceState: part("device-state", DEVICE_STATE_BYTES),
  };
}

export function invalid(template: string, problem: string): WrennError {
  return new WrennError("template_copy_invalid", { template, problem });
}
