const PREFIX = "image-";

/** Name of the template of an image's disk. */
export function templateOfImage(key: string): string {
  return `${PREFIX}${key}`;
}

/** Key of the disk of the image that a template is made of; undefined for other templates. */
export function imageOfTemplate(name: string): string | undefined {
  return /^image-([0-9a-f]{32})$/.exec(name)?.[1];
}
