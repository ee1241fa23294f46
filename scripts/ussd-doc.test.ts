import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { SCREEN_CHARS_MAX } from "@vigie/geo/ussd/machine/gsm7";
import { texts } from "@vigie/geo/ussd/machine/texts";
import { RESET_CODE_DIGITS } from "@vigie/geo/ussd/machine/types";
import { test } from "vitest";

/** docs/ussd.md shows the menus as phones do. */

const page = readFileSync(new URL("../docs/ussd.md", import.meta.url), "utf8");

/** Rows of the table that hold both languages' text of a menu. */
function rowsOf(text: string, menu: "main" | "account" | "language"): readonly string[] {
  const both = [texts.fr, texts.en].map(({ menus }) => menus[menu].replaceAll("\n", " · "));
  return text.split("\n").filter((line) => both.every((one) => line.includes(`| ${one} |`)));
}

test.each(["main", "account", "language"] as const)("the menu %s is shown as it is", (menu) => {
  assert.equal(rowsOf(page, menu).length, 1);
  assert.equal(
    rowsOf(page.replaceAll("Retour", "Arrière").replace("Exit", "Leave"), menu).length,
    0,
  );
});

test("the numbers are those of the machine", () => {
  assert.ok(page.includes(`at most ${SCREEN_CHARS_MAX} characters`));
  assert.ok(page.includes(`the ${RESET_CODE_DIGITS} digits`));
});
