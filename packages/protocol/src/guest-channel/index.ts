export { BodyReader } from "./body-reader.ts";
export { BodyWriter } from "./body-writer.ts";
export * from "./constants.ts";
export { FrameDecoder } from "./frame-decoder.ts";
export type { Frame } from "./frame-decoder.ts";
export {
  encodeAnswered,
  encodeData,
  encodeEnd,
  encodeFrame,
  encodeRequest,
  encodeWindow,
} from "./frame-encoder.ts";
export { decodeWelcome, encodeHello } from "./hello.ts";
export type { Hello, Welcome } from "./hello.ts";
