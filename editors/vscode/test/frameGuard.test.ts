import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { FrameGuard } from "../src/server/frameGuard";

const frame = (body: string): string => `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

/** Send chunks through a guard, and return what comes out and how much was dropped. */
async function through(
  chunks: readonly Buffer[],
): Promise<{ text: string; dropped: number; sinceFrame: number; frames: number }> {
  const guard = new FrameGuard(() => {});
  const passed: Buffer[] = [];
  guard.on("data", (chunk: Buffer) => passed.push(chunk));
  for (const chunk of chunks) guard.write(chunk);
  guard.end();
  await once(guard, "end");
  return {
    text: Buffer.concat(passed).toString(),
    dropped: guard.garbageBytes,
    sinceFrame: guard.garbageSinceFrame,
    frames: guard.frames,
  };
}

test("frames come out as they went in, however they are cut", async () => {
  const text = frame('{"a":"é\\r\\n\\r\\n"}') + frame("{}") + frame("Content-Length: 3");
  const bytes = Buffer.from(text);
  for (let size = 1; size <= bytes.length; size++) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
      bytes.subarray(index * size, (index + 1) * size),
    );
    const result = await through(chunks);
    assert.equal(result.text, text);
    assert.equal(result.dropped, 0);
    assert.equal(result.frames, 3);
  }
});

test("what stands between frames is dropped, and the frames still arrive", async () => {
  const noise = "Loading weights…\r\nContent-Len\r\nContent-Length: no number\r\n\r\n";
  const text = `hello\n${frame("{}")}${noise}${frame('{"b":1}')}`;
  const bytes = Buffer.from(text);
  for (const size of [1, 7, bytes.length]) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
      bytes.subarray(index * size, (index + 1) * size),
    );
    const result = await through(chunks);
    assert.equal(result.text, frame("{}") + frame('{"b":1}'));
    assert.equal(result.dropped, Buffer.byteLength(`hello\n${noise}`));
  }
});

test("endless noise without a frame is counted and not kept", async () => {
  const result = await through(Array.from({ length: 100 }, () => Buffer.from("y\n".repeat(1000))));
  assert.equal(result.text, "");
  assert.equal(result.dropped, 200_000);
  assert.equal(result.sinceFrame, 200_000);
});

test("a frame ends a run of noise", async () => {
  const result = await through([Buffer.from(`noise${frame("{}")}abc`)]);
  assert.equal(result.dropped, 8);
  assert.equal(result.sinceFrame, 3);
});

test("a header that never ends is given up", async () => {
  const result = await through([
    Buffer.from(`Content-Length: ${"1".repeat(2000)}`),
    Buffer.from(frame("{}")),
  ]);
  assert.equal(result.text, frame("{}"));
});
