import { VigError } from "@vigie/core/errors";
import { loadConfig, type Parsed } from "@vigie/service-kit/config";
import { putDeedOnRecord } from "@vigie/service-kit/operator-audit";
import { namedArguments, needed, spanOf, tenantOf, withDevelopment } from "./history/arguments.ts";
import { exportFromTopics, topicsConfig, type Wanted } from "./history/from-topics.ts";

const USAGE = `npm run history:export -- --out DIR [--from T] [--to T] [--tenant T]
Writes what the input topics hold, from T on and before T by append time (ISO 8601; default: all, up to now), to
encrypted files without names or addresses, for npm run whatif -- --history DIR. See docs/what-if.md.`;

async function main(): Promise<void> {
  const args = namedArguments(process.argv.slice(2), ["out", "from", "to", "tenant"]);
  const wanted = {
    directory: needed("--out", args.out),
    tenant: tenantOf(args.tenant),
    ...spanOf(args, Date.now()),
  };
  const env = withDevelopment(process.env);
  const config = loadConfig(topicsConfig, { env, argv: [] });
  await putOnRecord(config, wanted);
  const { events, leftOut, erased, files } = await exportFromTopics(config, wanted);
  console.log(
    `${events} events in ${files} files; left out: ${leftOut} records that no task takes, ` +
      `${erased} events of people who were erased`,
  );
  if (events === 0) throw new VigError("VIG_HISTORY_EMPTY", { where: "the topics of this time" });
}

/** Before the first event is read. Throws: VIG_AUDIT_WRITE_FAILED; then nothing is exported. */
async function putOnRecord(
  config: Parsed<typeof topicsConfig>,
  { tenant, fromMs, toMs }: Wanted,
): Promise<void> {
  const payload = { tenant, from: fromMs, until: toMs };
  await putDeedOnRecord(config, { action: "history.exported", payload });
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof VigError)) throw error;
    console.error(`${error.message}\n${USAGE}`);
    process.exitCode = 1;
  }
}
