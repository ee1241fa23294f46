import { defineConfig } from "vitest/config";

const common = { environment: "node", pool: "forks" } as const;

/**
 * unit: no servers. integration: real servers, a topic prefix per file. e2e: whole pipeline, faults, crashes.
 * One after the other (groupOrder), so that none is measured while another one takes the cores.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: "unit",
          sequence: { groupOrder: 0 },
          // A starved core makes the slowest tests ten times slower; none waits for time to pass.
          testTimeout: 30_000,
          include: [
            "{packages,services}/*/src/**/*.test.ts",
            "schemas/**/*.test.ts",
            "scripts/**/*.test.ts",
          ],
          exclude: ["**/node_modules/**", "**/*.int.test.ts"],
        },
      },
      {
        test: {
          ...common,
          name: "integration",
          sequence: { groupOrder: 1 },
          include: [
            "{packages,services}/*/src/**/*.int.test.ts",
            "schemas/**/*.int.test.ts",
            "scripts/**/*.int.test.ts",
          ],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          ...common,
          name: "e2e",
          sequence: { groupOrder: 2 },
          include: ["tests/**/*.test.ts"],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
