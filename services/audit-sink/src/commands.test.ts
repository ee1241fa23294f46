import { expect, test, vi } from "vitest";
import { commandOf, EXIT_USAGE } from "./commands.ts";

test("without a name, or with a flag, it is the service that is meant", () => {
  expect(commandOf([])).toBeNull();
  expect(commandOf(["--check-config"])).toBeNull();
});

test("a name that is none starts no service, and says which there are", async () => {
  const stderr = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  expect(await commandOf(["toString"])?.()).toBe(EXIT_USAGE);
  expect(stderr).toHaveBeenCalledWith(expect.stringContaining("toString"));
  stderr.mockRestore();
});
