import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { geohashAt, geohashCell, geohashLengths, precisionLevels } from "@vigie/core/geohash";
import { geoConfig } from "@vigie/geo/config";
import { geoEventTypes } from "@vigie/geo/geo-events/geo-events";
import { defaultPrefs } from "@vigie/geo/prefs/prefs";
import { test } from "vitest";

/** docs/places.md tells levels, events and preferences as they are. */

const page = readFileSync(new URL("../docs/places.md", import.meta.url), "utf8");
const columnsOf = (text: string, first: string): readonly string[] | undefined => {
  const row = text.split("\n").find((line) => line.startsWith(`| ${first}`));
  return row?.split("|").map((column) => column.trim());
};

/** At the equator, where a cell is largest. */
function radiusOf(length: number): string {
  const metres = geohashCell(geohashAt({ lat: 0.001, lon: 0.001 }, length)).radiusKm * 1_000;
  const rounded = Number(metres.toPrecision(2));
  return rounded < 1_000 ? `${rounded} m` : `${rounded / 1_000} km`;
}

test.each(precisionLevels)("GEO-18, GEO-19: the level %s", (level) => {
  const length = geohashLengths[level];
  const shown = (text: string) => columnsOf(text, `\`${level}\``)?.slice(2, 4);
  assert.deepEqual(shown(page), [String(length), radiusOf(length)]);
  assert.notDeepEqual(shown(page.replaceAll(radiusOf(length), "1 m")), shown(page));
});

test("GEO-24, GEO-25: every type of event, and none that does not exist", () => {
  const start = page.indexOf("| type | from |");
  const rows = page.slice(start, page.indexOf("\n\n", start)).split("\n").slice(2);
  const shown = rows.flatMap((row) => row.split("|")[1]?.match(/[a-z_]+/g) ?? []);
  assert.deepEqual(shown.toSorted(), [...geoEventTypes].toSorted());
});

test("GEO-16: every preference, with its default", () => {
  for (const [name, value] of Object.entries(defaultPrefs)) {
    const row = page.split("\n").find((line) => line.startsWith("| `") && line.includes(name));
    assert.ok(row?.includes(`\`${value}\``), name);
  }
});

test("PRV-13: how long events are kept", () => {
  assert.ok(page.includes(`\`GEO_EVENTS_KEPT_DAYS\` (${geoConfig.GEO_EVENTS_KEPT_DAYS.fallback})`));
});
