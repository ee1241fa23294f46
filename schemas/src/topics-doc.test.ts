import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { topicTable } from "./topics-doc.ts";

test("docs/topics.md shows the catalogue as it is", () => {
  const page = readFileSync(new URL("../../docs/topics.md", import.meta.url), "utf8");
  expect(page).toContain(topicTable());
});
