import { silentLogger } from "@vigie/core/log";
import { createOpenLeaves } from "@vigie/service-kit/audit/subjects";
import { loadConfig } from "@vigie/service-kit/config";
import { openKeys } from "@vigie/service-kit/kms/open-keys";
import { openDatabase } from "@vigie/service-kit/postgres/database";
import { databaseOptions } from "@vigie/service-kit/store-config";
import { type Command, EXIT_USAGE } from "../commands.ts";
import { ROLE } from "../guard.ts";
import { everySoOften } from "../progress.ts";
import { projectionConfig } from "./config.ts";
import { createProjector, type Progress, type Projector } from "./projector.ts";

const USAGE = "main.ts rebuild: empties what the audit is searched by and fills it again\n";

/** Whoever searches meanwhile finds what is filled in again. The sink may run: both fill, neither twice. */
export const rebuild: Command = async (args) => {
  if (args.length > 0 && args[0] !== "--help") {
    process.stderr.write(USAGE);
    return EXIT_USAGE;
  }
  const config = loadConfig(projectionConfig, process);
  const options = databaseOptions(config, { name: "audit-rebuild", role: ROLE, log: silentLogger });
  const db = openDatabase(options);
  try {
    const projector = createProjector(db, createOpenLeaves(await openKeys(config)));
    const tell = everySoOften(({ next, size }: Progress) => {
      process.stderr.write(`${next} of ${size}\n`);
    });
    const filled = await refill(projector, tell);
    process.stdout.write(`${filled} entries\n`);
    return 0;
  } finally {
    await db.close();
  }
};

/** Returns: how many there were when it had caught up. */
export async function refill(
  projector: Projector,
  tell: (progress: Progress) => void,
): Promise<number> {
  await projector.empty();
  for (;;) {
    const progress = await projector.step();
    tell(progress);
    if (progress.next >= progress.size) return progress.next;
  }
}
