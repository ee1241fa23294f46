import assert from "node:assert/strict";
import { admitEvent } from "@vigie/schemas/admit";
import type { TopicName } from "@vigie/schemas/catalogue";
import { sampleGeo, sampleHeartbeat, sampleLogin, sampleMfa } from "@vigie/schemas/samples";
import fc from "fast-check";
import { test } from "vitest";
import { bearer, NOW_MS, person, testEdge } from "./test-edge.ts";

const samples = [sampleLogin, sampleHeartbeat, sampleMfa, sampleGeo];
const urls = ["login", "heartbeat", "mfa", "geo"].map((type) => `/v1/events/${type}`);

/** Bodies from far off to nearly right: samples with fields changed, at any depth. */
const nearlyRight = fc
  .tuple(
    fc.constantFrom<object>(...samples),
    fc.dictionary(
      fc.constantFrom(...new Set(samples.flatMap((sample) => Object.keys(sample)))),
      fc.oneof(
        fc.jsonValue({ maxDepth: 3 }),
        fc.string({ unit: "binary", maxLength: 140 }),
        fc.constantFrom(NOW_MS, "2026-01-05T10:00:00Z", 1e308, -0, "", null),
        fc.record({ source: fc.constant("GPS"), lat: fc.double(), lon: fc.double() }),
      ),
      { maxKeys: 3 },
    ),
  )
  .map(([sample, changes]) => ({ ...sample, ...changes }));
const anyBody = fc.oneof(fc.jsonValue(), nearlyRight, nearlyRight);

const edge = testEdge();

test("any JSON body: never 5xx, and what is produced every reader admits", async () => {
  const headers = await Promise.all([bearer(), bearer({ ...person })]);
  await fc.assert(
    fc.asyncProperty(anyBody, fc.nat(3), fc.boolean(), async (body, route, own) => {
      const { app, output, codecs } = edge;
      output.forget();
      const url = urls[route] as string;
      const payload = JSON.stringify(body);
      const type = { "content-type": "application/json" };
      const sent = { method: "POST", url, payload } as const;
      const response = await app.inject({ ...sent, headers: { ...type, ...headers[own ? 1 : 0] } });
      assert.ok(response.statusCode < 500, `${response.statusCode} ${response.body}`);
      assert.equal(output.produced.length, response.statusCode === 202 ? 1 : 0);
      for (const { topic, key, value } of output.produced) {
        const decoded = codecs.decoder<object>(topic as TopicName).decode(value);
        assert.ok(decoded.kind === "ok");
        const limits = {
          recordTimestampMs: NOW_MS,
          maxEventAgeMs: 30 * 86_400_000,
          maxAheadMs: 300_000,
        };
        assert.equal(admitEvent(topic as TopicName, decoded.value, key, limits).kind, "ok");
      }
    }),
    { numRuns: 2_000 },
  );
});
