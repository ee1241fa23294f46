import { availableParallelism, totalmem } from "node:os";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

// Vitest's default leaves one core to itself, which on two cores is every other one.
const common = {
  environment: "node",
  pool: "forks",
  // As patient as `eventually`.
  expect: { poll: { timeout: 45_000 } },
  maxWorkers: availableParallelism(),
} as const;

const GIB = 2 ** 30;

/** Of the e2e tests, by what npm test says of them. */
const LONGEST = ["outages", "detection", "start", "spray", "retraction", "geo", "crash"];

/** Begins with those that take longest, so that in the end none keeps all others waiting; the rest goes by size. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const found = LONGEST.findIndex((name) => moduleId.endsWith(`/tests/${name}.test.ts`));
      return found === -1 ? LONGEST.length : found;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

/**
 * unit: no servers. integration: real servers, a topic prefix per file. e2e: whole pipeline, faults, crashes; they
 * wait more than they reckon. timed: what holds limits of time has the machine to itself.
 * One after the other (groupOrder), so that none is measured while another one takes the cores.
 */
export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          ...common,
          name: "unit",
          sequence: { groupOrder: 0 },
          // They share no state that one could change for another, and to load what they test again for each file
          // would take half as long as to test it.
          isolate: false,
          // A starved core makes the slowest tests ten times slower; none waits for time to pass. One wait by
          // `eventually` or `until` ends before, and says for what it waited.
          testTimeout: 60_000,
          include: [
            "{packages,services}/*/src/**/*.test.ts",
            "schemas/**/*.test.ts",
            "scripts/**/*.test.ts",
            "tests/support/*.test.ts",
          ],
          exclude: ["**/node_modules/**", "**/*.{int,timed}.test.ts"],
        },
      },
      {
        test: {
          ...common,
          name: "integration",
          sequence: { groupOrder: 1 },
          // One more than cores, since they wait for servers; all share one PostgreSQL with its 200 connections.
          maxWorkers: Math.min(4, common.maxWorkers + 1),
          include: [
            "{packages,services}/*/src/**/*.int.test.ts",
            "schemas/**/*.int.test.ts",
            "scripts/**/*.int.test.ts",
          ],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          ...common,
          name: "e2e",
          sequence: { groupOrder: 2 },
          // They wait for half of their time. A pipeline is seven processes, some with servers of their own: 2 GiB each,
          // and as much for what all share.
          maxWorkers: totalmem() < 8 * GIB ? 2 : 3,
          include: ["tests/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 240_000,
        },
      },
      {
        test: {
          ...common,
          name: "timed",
          sequence: { groupOrder: 3 },
          include: ["tests/timed/*.test.ts", "services/*/src/**/*.timed.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          maxWorkers: 1,
        },
      },
    ],
  },
});
