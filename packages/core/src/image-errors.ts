import { system, user } from "./catalogue-entry.ts";

/** The part of the error catalogue about OCI images: registries, archives and layers. */
export const imageErrors = {
  image_reference_invalid: user(
    "invalid_request",
    400,
    "invalid image reference {reference}: {problem} at character {position}",
    "Write it as [registry[:port]/]repository[:tag][@sha256:digest], for example python:3.12 or localhost:5000/team/tool:v1.",
  ),
  image_not_found: user(
    "not_found",
    404,
    "image not found: {image}",
    "Check the repository and the tag. Some registries give this answer for private images: configure credentials for the registry.",
  ),
  image_access_denied: user(
    "forbidden",
    403,
    "the registry {registry} denies access to {image}",
    "Check the name of the image, which some registries deny where it does not exist, and the credentials that are configured for the registry.",
  ),
  registry_unreachable: system(
    "agent_error",
    502,
    "the registry {registry} cannot be used: {problem}",
    "Check the address of the registry and the network of the host, and try again. A registry without TLS must be listed as one of plain HTTP.",
  ),
  registry_rate_limited: system(
    "agent_error",
    502,
    "the registry {registry} limits the requests of this host",
    "Try again later, configure credentials for the registry, or configure a mirror of it.",
  ),
  image_platform_missing: user(
    "invalid_request",
    400,
    "{image} is not available for {platform}; it is available for {offered}",
    "Choose an image or tag that is built for this platform.",
  ),
  image_damaged: system(
    "agent_error",
    502,
    "{image} is damaged: {blob}: {problem}",
    "Pull it again. If the error repeats, the registry, its mirror or the archive has a damaged copy: push or save the image again.",
  ),
  image_unsupported: user(
    "invalid_request",
    400,
    "{image} cannot be used: {problem}",
    "Build or push the image in the OCI format or as Docker schema 2, with layers that are tar, tar+gzip or tar+zstd.",
  ),
  image_layer_refused: user(
    "invalid_request",
    400,
    "layer {layer} is refused: {path}: {problem}",
    "Build the image again without this entry; nothing of the image was written.",
  ),
  image_too_large: user(
    "invalid_request",
    413,
    "the image has more than {limit} {what}",
    "Use a smaller image, or have the operator raise the limit.",
  ),
  image_mislabelled: user(
    "invalid_request",
    400,
    "the image is labelled {architecture}, but {file} is a program for {machine}",
    "Pull or build the image for {architecture}.",
  ),
  image_archive_invalid: user(
    "invalid_request",
    400,
    "{archive} is not an image archive: {problem}",
    "Make it with docker save, or as an OCI layout.",
  ),
  image_choice_needed: user(
    "invalid_request",
    400,
    "{archive} has several images: {images}",
    "Name one of these images.",
  ),
} as const;
