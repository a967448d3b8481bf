/** Draw the extension's icon: lines of code, a cursor, and the text that follows as a ghost. */
import { writeFileSync } from "node:fs";
import { deflateSync } from "node:zlib";

const SIZE = 256;
const SAMPLES = 4;
const BACKGROUND = [20, 33, 61];
const INK = [229, 233, 240];
const ACCENT = [252, 163, 17];

/** Bars as [left, top, width, height, colour, opacity], in 256ths of the icon. */
const BARS = [
  [44, 58, 92, 20, INK, 1],
  [148, 58, 52, 20, INK, 0.55],
  [68, 102, 60, 20, INK, 1],
  [140, 92, 8, 40, ACCENT, 1],
  [158, 102, 56, 20, ACCENT, 0.6],
  [68, 146, 118, 20, ACCENT, 0.45],
  [68, 190, 74, 20, ACCENT, 0.3],
];

/** Tell whether a point lies in a rectangle with round corners. */
function inside(x, y, left, top, width, height, radius) {
  const dx = Math.max(left + radius - x, 0, x - (left + width - radius));
  const dy = Math.max(top + radius - y, 0, y - (top + height - radius));
  return dx * dx + dy * dy <= radius * radius;
}

/** Return one sample's colour as red, green, blue and alpha. */
function sample(x, y) {
  if (!inside(x, y, 8, 8, 240, 240, 48)) return [0, 0, 0, 0];
  let colour = BACKGROUND;
  for (const [left, top, width, height, ink, opacity] of BARS) {
    if (inside(x, y, left, top, width, height, Math.min(width, height) / 2)) {
      colour = colour.map((value, index) => value * (1 - opacity) + ink[index] * opacity);
    }
  }
  return [...colour, 255];
}

function pixel(column, row) {
  const sum = [0, 0, 0, 0];
  for (let index = 0; index < SAMPLES * SAMPLES; index++) {
    const x = column + ((index % SAMPLES) + 0.5) / SAMPLES;
    const y = row + (Math.floor(index / SAMPLES) + 0.5) / SAMPLES;
    const [red, green, blue, alpha] = sample(x, y);
    sum[0] += (red * alpha) / 255;
    sum[1] += (green * alpha) / 255;
    sum[2] += (blue * alpha) / 255;
    sum[3] += alpha;
  }
  const opaque = sum[3] / 255 || 1;
  return [sum[0] / opaque, sum[1] / opaque, sum[2] / opaque, sum[3] / (SAMPLES * SAMPLES)];
}

const CRC_TABLE = Array.from({ length: 256 }, (_, start) => {
  let value = start;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value >>> 0;
});

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name, "latin1"), data]);
  let crc = 0xffffffff;
  for (const byte of body) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const check = Buffer.alloc(4);
  check.writeUInt32BE((crc ^ 0xffffffff) >>> 0);
  return Buffer.concat([length, body, check]);
}

const rows = [];
for (let row = 0; row < SIZE; row++) {
  rows.push(0);
  for (let column = 0; column < SIZE; column++) rows.push(...pixel(column, row).map(Math.round));
}
const header = Buffer.alloc(13);
header.writeUInt32BE(SIZE, 0);
header.writeUInt32BE(SIZE, 4);
header.set([8, 6, 0, 0, 0], 8);
writeFileSync(
  process.argv[2] ?? "media/icon.png",
  Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(Buffer.from(rows), { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]),
);
