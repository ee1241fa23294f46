import { stack, type TestStack } from "@vigie/testkit/stack";
import { afterAll } from "vitest";
import { type ForeignEvents, foreignEvents } from "./events.ts";
import { allServices, openPipeline, type Pipeline } from "./pipeline.ts";
import type { ServiceName } from "./processes.ts";

/** Files run beside each other and starve each other; how fast a command is done is measured elsewhere. */
const PATIENT = { COMMAND_WAIT_MS: "10000" };

export interface TestPipeline {
  readonly servers: TestStack;
  readonly pipeline: Pipeline;
  readonly events: ForeignEvents;
}

/** A pipeline for one test file, on servers that others use as well; it goes with the file. */
export async function testPipeline(
  names: readonly ServiceName[] = allServices,
  over: Readonly<Record<string, string>> = {},
): Promise<TestPipeline> {
  const servers = await stack();
  try {
    const pipeline = await openPipeline(servers, names, { ...PATIENT, ...over });
    afterAll(async () => {
      await pipeline.close();
      await servers.close();
    });
    return { servers, pipeline, events: await foreignEvents(pipeline.producer) };
  } catch (error) {
    await servers.close();
    throw error;
  }
}
