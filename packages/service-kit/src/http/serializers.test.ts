import assert from "node:assert/strict";
import { test } from "vitest";
import { serializerOf } from "./serializers.ts";

const route = { method: "GET", url: "/", httpStatus: "200" };
const named = () => ({ type: "object", properties: { name: { type: "string" } } }) as const;

test("one schema becomes one serializer, whatever routes answer with it", () => {
  const schema = named();
  const serialize = serializerOf({ ...route, schema });
  assert.equal(serializerOf({ ...route, url: "/other", httpStatus: "503", schema }), serialize);
  assert.equal(serialize({ name: "a", unsaid: 1 }), '{"name":"a"}');
});

test("two schemas are two serializers, though they say the same", () => {
  const serialize = serializerOf({ ...route, schema: named() });
  assert.notEqual(serializerOf({ ...route, schema: named() }), serialize);
});

test("a schema without any fields is taken, too", () => {
  assert.equal(serializerOf({ ...route, schema: {} })({ name: "a" }), '{"name":"a"}');
});
