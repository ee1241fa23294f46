import { describe, expect, test } from "vitest";
import { type Leaf, leafBytes, parseLeaf } from "./leaf.ts";

const leaf: Leaf = {
  v: 1,
  id: "e-1",
  tenant: "molam-sn",
  at: 1_767_607_200_000,
  recorded_at: 1_767_607_200_010,
  source: { topic: "id.audit", partition: 3, offset: 42 },
  emitter: "edge.1",
  seq: 7,
  action: "policy.updated",
  actor: { type: "ADMIN", ref: "0b0e7c1c-7f5e-4b0a-9a55-3f1d1e9a1b11" },
  impersonator: null,
  subject: null,
  impersonated: null,
  is_impersonation: false,
  digest: "d",
  payload: { after: { idle: "30 min" }, before: null },
  boxes: [{ ref: "0b0e7c1c-7f5e-4b0a-9a55-3f1d1e9a1b11", commitment: "c", sealed: "s" }],
};

test("a leaf is canonical JSON, whatever the order it was written in", () => {
  const text =
    '{"action":"policy.updated","actor":{"ref":"0b0e7c1c-7f5e-4b0a-9a55-3f1d1e9a1b11","type":"ADMIN"},' +
    '"at":1767607200000,"boxes":[{"commitment":"c","ref":"0b0e7c1c-7f5e-4b0a-9a55-3f1d1e9a1b11",' +
    '"sealed":"s"}],"digest":"d","emitter":"edge.1","id":"e-1","impersonated":null,"impersonator":null,' +
    '"is_impersonation":false,"payload":{"after":{"idle":"30 min"},"before":null},' +
    '"recorded_at":1767607200010,"seq":7,"source":{"offset":42,"partition":3,"topic":"id.audit"},' +
    '"subject":null,"tenant":"molam-sn","v":1}';
  expect(leafBytes(leaf).toString()).toBe(text);
  const reversed = Object.fromEntries(Object.entries(leaf).reverse()) as unknown as Leaf;
  expect(leafBytes(reversed).toString()).toBe(text);
});

test("a leaf comes back from its bytes", () => {
  expect(parseLeaf(leafBytes(leaf))).toEqual(leaf);
  const named: Leaf = { ...leaf, tenant: "molam-sn é 🚀" };
  expect(parseLeaf(leafBytes(named))).toEqual(named);
});

describe("what is no leaf", () => {
  const text = leafBytes(leaf).toString();
  test.each([
    ["no JSON", "{"],
    ["JSON in another order", JSON.stringify(leaf)],
    ["a space", text.replace(":", ": ")],
    ["a name twice", text.replace('"seq":7', '"seq":6,"seq":7')],
    ["bytes behind it", `${text}\n`],
    ["another version", text.replace('"v":1', '"v":2')],
    ["null", "null"],
    ["an array", "[]"],
    ["no boxes", text.replace(/"boxes":\[.*?\],/, "")],
    ["no id", text.replace('"id":"e-1",', "")],
  ])("%s", (_, broken) => {
    expect(() => parseLeaf(Buffer.from(broken))).toThrow("VIG_AUDIT_LEAF_INVALID");
  });

  test("bytes that are no UTF-8", () => {
    const bytes = leafBytes(leaf);
    bytes[bytes.indexOf("e-1")] = 0xff;
    expect(() => parseLeaf(bytes)).toThrow("VIG_AUDIT_LEAF_INVALID");
  });
});
