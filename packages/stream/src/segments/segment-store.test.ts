import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "vitest";
import { storeBehaviours } from "../state/store.suite.ts";
import { SegmentStore } from "./segment-store.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "vigie-store-"));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});
const open = (bootId = "boot-1") => SegmentStore.open(join(directory, "0"), { bootId });

for (const [name, behaviour] of Object.entries(storeBehaviours)) {
  test(`segment store: ${name}`, async () => {
    const store = await open();
    await behaviour(store);
    await store.close();
  });
}
