import assert from "node:assert/strict";
import { test } from "vitest";
import { run } from "./support/processes.ts";
import { testPipeline } from "./support/test-pipeline.ts";

/** What `npm start` shows; a person who tries Vigie sees this first. */

const { pipeline } = await testPipeline();

const scenario = (over: Readonly<Record<string, string>> = {}) =>
  run(["scripts/demo.ts"], {
    ...pipeline.env,
    NODE_ENV: "development",
    JWT_PRIVATE_KEY: pipeline.privateKeyPem,
    VIGIE_EDGE_URL: pipeline.service("edge").url,
    ...over,
  });

test("the scenario finds its three takeovers, and every store holds what happened, twice over", async () => {
  for (const _ of ["on a new stack", "on one that ran before"]) {
    const { code, text } = await scenario();
    assert.equal(code, 0, text);
    for (const kind of ["impossible_travel", "fingerprint_mismatch", "bruteforce"]) {
      assert.match(text, new RegExp(`→ ${kind}  HIGH, risk \\d+, STEP_UP; readable after \\d+ ms`));
    }
    assert.match(text, /PostgreSQL {2}9 sessions, \d+ activities, [4-9] anomalies/);
    assert.match(text, /Redis {7}[89] live sessions/);
    assert.match(text, /Audit {7}[3-9] entries, in a log of which \d+ are signed for/);
    assert.match(text, /Edge {8}19 events accepted by the broker, median \d+\.\d ms/);
  }
});

test("a scenario that does not come to its end says why and fails", async () => {
  const nowhere = { VIGIE_EDGE_URL: "http://127.0.0.1:9" };
  const { code, text } = await scenario(nowhere);
  assert.equal(code, 1);
  assert.match(text, /The scenario did not come to its end: /);
});
