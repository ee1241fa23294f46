import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, test } from "vitest";
import { createService } from "./processes.ts";

test("a service that a signal has ended is named, and can be ended once more", async () => {
  const directory = await mkdtemp(join(tmpdir(), "vigie-service-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const dies = "--import=data:text/javascript,process.kill(process.pid,'SIGKILL')";
  const service = await createService({ name: "geo", env: { NODE_OPTIONS: dies }, directory });
  await assert.rejects(service.start(), /geo ended by SIGKILL/);
  assert.equal((await service.terminate()).code, null);
  await service.kill();
});
