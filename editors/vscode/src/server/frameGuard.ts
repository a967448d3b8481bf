import { Transform, type TransformCallback } from "node:stream";

const HEADER_END = Buffer.from("\r\n\r\n", "latin1");
const HEADER_START = Buffer.from("Content-Length:", "latin1");
const LONGEST_HEADER_BYTES = 512;

/**
 * Lets only LSP frames through a server's output.
 *
 * A stray `print` of some library would otherwise end the connection: what stands between frames
 * is dropped and counted instead.
 */
export class FrameGuard extends Transform {
  private waiting: Buffer = Buffer.alloc(0);
  private bodyBytesLeft = 0;
  private dropped = 0;
  private droppedBeforeFrame = 0;
  private passed = 0;

  /** @param onGarbage Called with the number of bytes for each run that was dropped. */
  constructor(private readonly onGarbage: (bytes: number) => void) {
    super();
  }

  /** How many bytes were no part of a frame. */
  get garbageBytes(): number {
    return this.dropped;
  }

  /** How many bytes have come since the last frame that were no part of one. */
  get garbageSinceFrame(): number {
    return this.dropped - this.droppedBeforeFrame;
  }

  /** How many whole headers have come. */
  get frames(): number {
    return this.passed;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.waiting = this.waiting.length > 0 ? Buffer.concat([this.waiting, chunk]) : chunk;
    while (this.bodyBytesLeft > 0 ? this.passBody() : this.passHeader());
    done();
  }

  /** Pass on what there is of a body, and tell whether there was any. */
  private passBody(): boolean {
    const body = this.takeBytes(Math.min(this.bodyBytesLeft, this.waiting.length));
    if (body.length === 0) return false;
    this.bodyBytesLeft -= body.length;
    this.push(body);
    return true;
  }

  /** Pass on one header or drop what is none, and tell whether to go on. */
  private passHeader(): boolean {
    const start = this.waiting.indexOf(HEADER_START);
    if (start !== 0) {
      // The end may be the beginning of a header that the chunk has cut.
      this.dropBytes(start > 0 ? start : this.waiting.length - cutHeaderLength(this.waiting));
      return start > 0;
    }
    const end = this.waiting.indexOf(HEADER_END);
    if (end < 0 && this.waiting.length <= LONGEST_HEADER_BYTES) return false;
    const header = this.waiting.toString("latin1", 0, Math.max(end, 0));
    const length = /^Content-Length: *(\d+)(\r\n|$)/.exec(header)?.[1];
    if (length === undefined) {
      this.dropBytes(HEADER_START.length);
      return true;
    }
    this.push(this.takeBytes(end + HEADER_END.length));
    this.passed += 1;
    this.droppedBeforeFrame = this.dropped;
    this.bodyBytesLeft = Number(length);
    return true;
  }

  private takeBytes(bytes: number): Buffer {
    const taken = this.waiting.subarray(0, bytes);
    this.waiting = this.waiting.subarray(bytes);
    return taken;
  }

  private dropBytes(bytes: number): void {
    if (bytes === 0) return;
    this.takeBytes(bytes);
    this.dropped += bytes;
    this.onGarbage(bytes);
  }
}

/** How many bytes at the end may be the beginning of a header. */
function cutHeaderLength(bytes: Buffer): number {
  for (let length = Math.min(HEADER_START.length - 1, bytes.length); length > 0; length--) {
    if (bytes.subarray(bytes.length - length).equals(HEADER_START.subarray(0, length)))
      return length;
  }
  return 0;
}
