import type { Leaf } from "@vigie/audit-log/leaf";
import { expect, test } from "vitest";
import { sampleLeaf } from "../fsck/memory-log.ts";
import { clientOf } from "./client.ts";
import { leafToOpen, placedLeaf, projectedRow } from "./row.ts";

const REF = "0b9c2f6e-7a1d-4c55-8f10-3d2a1b0c9e8f";
const OTHER = "1c9c2f6e-7a1d-4c55-8f10-3d2a1b0c9e8f";
const box = (ref: string) => ({ ref, commitment: "c", sealed: "s" });

test("AUD-11: of a user agent stays what many share", () => {
  const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0";
  expect(clientOf(firefox)).toBe("Firefox, Linux");
  expect(clientOf("awa-7131's own script")).toBe("other");
  for (const absent of [null, "", "unknown"]) expect(clientOf(absent)).toBe("unknown");
});

test("CNF-20: of a leaf nothing is opened but the box of an administrator, or of who acts as another", () => {
  const leaf = { ...sampleLeaf(1), boxes: [box(REF), box(OTHER)] };
  const opened = (actor: Leaf["actor"], is_impersonation = false) =>
    leafToOpen({ index: 0, leaf: { ...leaf, actor, is_impersonation } }).boxes;
  expect(opened({ type: "SYSTEM", id: "sessions" })).toEqual([]);
  expect(opened({ type: "USER", ref: REF })).toEqual([]);
  expect(opened({ type: "USER", ref: REF }, true)).toEqual([box(REF)]);
  expect(opened({ type: "ADMIN", ref: REF })).toEqual([box(REF)]);
  const user = { ...leaf, actor: { type: "USER", ref: REF } };
  expect(projectedRow({ index: 0, leaf: user }, {}).user_agent).toBe("sealed");
});

test("a box that does not open is erased, and an actor without one gave no user agent", () => {
  const leaf = { ...sampleLeaf(1), actor: { type: "ADMIN", ref: REF } };
  expect(projectedRow({ index: 0, leaf }, {}).user_agent).toBe("unknown");
  const sealed = { ...leaf, boxes: [box(REF)] };
  expect(projectedRow({ index: 0, leaf: sealed }, {}).user_agent).toBe("erased");
});

test("a payload in clear is shown as it stands in the leaf, a sealed one not at all", () => {
  const { payload: _, ...leaf } = sampleLeaf(1);
  expect(projectedRow({ index: 0, leaf: sampleLeaf(1) }, {}).payload).toBe('{"number":1}');
  expect(projectedRow({ index: 0, leaf }, {}).payload).toBeNull();
});

test("a time that PostgreSQL does not hold is cut to what it holds", () => {
  const leaf = { ...sampleLeaf(1), at: 8.64e15, recorded_at: -8.64e15 };
  const { occurred_at, recorded_at } = projectedRow({ index: 0, leaf }, {});
  expect(occurred_at).toBe("9999-12-31T23:59:59.999Z");
  expect(recorded_at).toBe("0001-01-01T00:00:00.000Z");
});

test("what is no leaf of a known version stops it", () => {
  const read = (text: string) => () => placedLeaf({ index: 7, leaf: Buffer.from(text) });
  expect(read("{")).toThrow("leaf 7 is no JSON");
  expect(read('{"v":2}')).toThrow("leaf 7 is of an unknown version");
});
