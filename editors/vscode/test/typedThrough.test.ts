import assert from "node:assert/strict";
import { test } from "node:test";
import type { Place } from "../src/completion/askAgain";
import { type Change, TypedThrough } from "../src/completion/typedThrough";

const URI = "file:///a";
const PLACE: Place = { uri: URI, version: 3, line: 1, character: 8 };
const TEXT = "result = 0\n    return result";

/** Return a completion that is shown, after changes that each make a version. */
function after(...changes: readonly (readonly Change[])[]): TypedThrough<string> {
  const shown = new TypedThrough<string>();
  shown.show(PLACE, TEXT, "item");
  changes.forEach((change, index) => {
    shown.changed(URI, PLACE.version + index + 1, change);
  });
  return shown;
}

const typed = (character: number, text: string, line = 1): readonly Change[] => [
  { start: { line, character }, replacedLength: 0, text },
];

test("what is left of a completion follows the keys that type its beginning", () => {
  assert.equal(after().at(PLACE)?.rest, TEXT);
  const shown = after(typed(8, "r"), typed(9, "es"));
  const place = { ...PLACE, version: 5, character: 11 };
  assert.deepEqual(shown.at(place), { place, rest: TEXT.slice(3), of: "item" });
  assert.equal(shown.at({ ...place, character: 10 }), undefined);
  assert.equal(shown.at({ ...place, version: 4 }), undefined);
});

test("a line end with its indentation is followed in files of either kind", () => {
  for (const lineEnd of ["\n", "\r\n"]) {
    const shown = after(typed(8, "result = 0"), typed(18, `${lineEnd}    `));
    const left = shown.at({ ...PLACE, version: 5, line: 2, character: 4 });
    assert.equal(left?.rest, "return result");
  }
});

test("anything else forgets it", () => {
  const others: readonly (readonly Change[])[] = [
    typed(8, "x"),
    typed(9, "r"),
    typed(8, "r", 0),
    typed(8, TEXT),
    [{ start: { line: 1, character: 8 }, replacedLength: 1, text: "r" }],
    [...typed(8, "r"), ...typed(0, "r", 0)],
    [],
  ];
  for (const change of others) {
    const shown = after(change);
    assert.equal(shown.at({ ...PLACE, version: 4, character: 9 }), undefined);
    assert.equal(shown.at(PLACE), undefined);
  }
  const forgotten = after();
  forgotten.forget();
  assert.equal(forgotten.at(PLACE), undefined);
});

test("what happens to another document, or to no text, changes nothing", () => {
  const shown = after();
  shown.changed("file:///b", 9, typed(8, "x"));
  shown.changed(URI, PLACE.version, []);
  assert.equal(shown.at(PLACE)?.rest, TEXT);
});
