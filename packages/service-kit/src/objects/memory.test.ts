import { expect, test } from "vitest";
import { memoryObjects } from "./memory.ts";
import { objectStoreSuite } from "./store.suite.ts";

objectStoreSuite("memory", async () => memoryObjects());

test("what a caller does to its bytes afterwards changes nothing", async () => {
  const store = memoryObjects();
  const bytes = Buffer.from("one");
  await store.put("a", bytes);
  bytes.fill(0);
  expect(String(await store.get("a"))).toBe("one");
});
