import assert from "node:assert/strict";
import { geohashCell } from "@vigie/core/geohash";
import { test } from "vitest";
import { placeTraces, positionTraces, textTraces } from "./test-traces.ts";

const POINT = { lat: 12.583127, lon: -16.271943 };
const place = placeTraces(POINT, ["Ziguinchor"]);

function number(value: number, write: "writeDoubleBE" | "writeDoubleLE" | "writeFloatLE"): Buffer {
  const bytes = Buffer.alloc(11);
  bytes[write](value, 3);
  return bytes;
}

const planted: [string, Uint8Array | string, string][] = [
  ["text", '{"latitude":12.583127}', "lat"],
  ["text, rounded", "at -16.2719 east", "lon"],
  ["a double of Avro", number(POINT.lat, "writeDoubleLE"), "position as a double"],
  ["a double of PostgreSQL", number(POINT.lon, "writeDoubleBE"), "position as a double"],
  ["a double, rounded", number(12.5831, "writeDoubleLE"), "position as a double"],
  ["a float", number(POINT.lat, "writeFloatLE"), "position as a float"],
  [
    "bytes as PostgreSQL writes them",
    `(1,"\\x${number(POINT.lat, "writeDoubleBE").toString("hex")}")`,
    "position as a double",
  ],
];

test.each(planted)("a position is found as %s", (_form, bytes, name) => {
  assert.deepEqual(positionTraces(POINT).in(bytes), [name]);
});

test("a place is found by its cell of any level, by its geohash and by its name", () => {
  assert.deepEqual(place.in('"geohash":"edhrt"'), ["geohash"]);
  assert.deepEqual(place.in("Ziguinchor"), ["Ziguinchor"]);
  for (const cell of ["ed", "edh", "edhrt", "edhrtd", "edhrtdx"]) {
    const { lat, lon } = geohashCell(cell).centre;
    for (const bytes of [number(lat, "writeDoubleLE"), number(lon, "writeDoubleBE")]) {
      assert.ok(place.in(bytes).includes("cell as a double"), cell);
    }
  }
});

test("other places are none of it", () => {
  for (const other of ["14.6928", "-17.4467", "edeedfx", "Dakar", "12.59", "\\x00ff"]) {
    assert.deepEqual(place.in(other), [], other);
  }
  assert.deepEqual(place.in(number(12.59, "writeDoubleLE")), []);
  assert.deepEqual(textTraces(["awa"]).in("modou"), []);
  assert.deepEqual(textTraces(["awa"]).in("\\x617761"), ["awa"]);
});
