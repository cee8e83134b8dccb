/** Types of `@std/streams/text-line-stream`, which is built without them. */
export class TextLineStream extends TransformStream<string, string> {
  /** With `allowCR` a lone carriage return ends a line too. */
  constructor(options?: { allowCR?: boolean });
}
