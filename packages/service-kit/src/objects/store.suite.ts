import { expect, test } from "vitest";
import type { ObjectStore } from "./store.ts";

/** What every object store promises. */
export function objectStoreSuite(name: string, open: () => Promise<ObjectStore>): void {
  test(`${name}: a file that was put is what is got`, async () => {
    const store = await open();
    const bytes = Buffer.from([0, 1, 2, 255]);
    await store.put("tile/0/x001/067", bytes);
    expect(await store.get("tile/0/x001/067")).toEqual(bytes);
    await store.put("empty", Buffer.alloc(0));
    expect(await store.get("empty")).toEqual(Buffer.alloc(0));
  });

  test(`${name}: what was never put is not there`, async () => {
    const store = await open();
    await store.put("tile/0/000", Buffer.from("x"));
    expect(await store.get("tile/0/001")).toBeNull();
    expect(await store.get("nowhere/at/all")).toBeNull();
  });

  test(`${name}: a file is replaced whole, however long it was`, async () => {
    const store = await open();
    await store.put("checkpoint", Buffer.from("a long first one"));
    await store.put("checkpoint", Buffer.from("short"));
    expect(await store.get("checkpoint")).toEqual(Buffer.from("short"));
  });

  test(`${name}: what is removed is gone, its neighbours stay, and it may be removed again`, async () => {
    const store = await open();
    await store.put("tile/0/000.p/1", Buffer.from("1"));
    await store.put("tile/0/000.p/2", Buffer.from("2"));
    await store.remove(["tile/0/000.p/1", "tile/0/000.p/9", "never/was"]);
    expect(await store.get("tile/0/000.p/1")).toBeNull();
    expect(await store.get("tile/0/000.p/2")).toEqual(Buffer.from("2"));
    await store.remove(["tile/0/000.p/2"]);
    await store.remove(["tile/0/000.p/2"]);
    await store.put("tile/0/000.p/3", Buffer.from("3"));
    expect(await store.get("tile/0/000.p/3")).toEqual(Buffer.from("3"));
  });

  test(`${name}: two that write one file leave one of both, whole`, async () => {
    const store = await open();
    const one = Buffer.alloc(40_000, 1);
    const other = Buffer.alloc(50_000, 2);
    await Promise.all([store.put("checkpoint", one), store.put("checkpoint", other)]);
    const found = await store.get("checkpoint");
    expect(found?.equals(one) || found?.equals(other)).toBe(true);
  });
}
