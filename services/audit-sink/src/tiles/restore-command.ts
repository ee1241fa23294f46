import { parseArgs } from "node:util";
import { messageOf } from "@vigie/core/errors";
import { silentLogger } from "@vigie/core/log";
import { loadConfig } from "@vigie/service-kit/config";
import { openDatabase } from "@vigie/service-kit/postgres/database";
import { auditConfig } from "@vigie/service-kit/shared-config";
import { databaseOptions } from "@vigie/service-kit/store-config";
import { databasePlace } from "#checkpoint/database-place";
import { openTrustedKeys } from "#checkpoint/keys";
import { type Command, EXIT_USAGE } from "#commands";
import { ROLE } from "#guard";
import { everySoOften } from "#progress";
import { createSigners } from "#signer";
import { putOnRecord, tilesCommandConfig } from "./command.ts";
import { restoreLeaves } from "./restore.ts";
import { placeFault, storeOf } from "./store-of.ts";

const USAGE = `main.ts restore --from PLACE [--key VKEY]... [--unrecorded]
  appends the leaves that the database lacks out of the tiles in a folder or s3://bucket/prefix
  --key VKEY    a key whose checkpoints are valid, besides those that are configured
  --unrecorded  it is not put on record first: for an installation that is down
ends with 0: the database holds what was signed, 1: it does not, nothing has changed, 64: usage
`;

const EXIT_FAILED = 1;
/** A statement of 256 leaves waits for nobody; the first one waits for a sink that appends. */
const STATEMENT_TIMEOUT_MS = 120_000;

export const restoreCommand: Command = async (args) => {
  const wanted = wantedOf(args);
  if (typeof wanted === "string") {
    process.stderr.write(`${wanted}\n${USAGE}`);
    return EXIT_USAGE;
  }
  const config = loadConfig(
    { ...tilesCommandConfig, ...auditConfig },
    { env: process.env, argv: [] },
  );
  const about = { name: "audit-restore", role: ROLE, log: silentLogger };
  const db = openDatabase({
    ...databaseOptions(config, about),
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
  });
  try {
    const keys = openTrustedKeys(config, wanted.key);
    const store = await storeOf(wanted.from, config);
    const { current: signer } = createSigners(config.WORM_SIGNING_SECRET);
    const payload = { from: store.name };
    if (!wanted.unrecorded) await putOnRecord({ action: "audit.restore_requested", payload });
    const onProgress = everySoOften((leaves: bigint) => {
      process.stderr.write(`${leaves} leaves\n`);
    });
    const parts = { store, keys, signer, clock: Date.now, onProgress };
    const { added, checkpoint } = await restoreLeaves(db, parts);
    await databasePlace(db, keys.origin, Date.now).keep(checkpoint);
    process.stdout.write(`${added} leaves restored; ${checkpoint.size} were signed\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    return EXIT_FAILED;
  } finally {
    await db.close();
  }
};

interface Wanted {
  readonly from: string;
  readonly key: readonly string[];
  readonly unrecorded: boolean;
}

function wantedOf(args: readonly string[]): Wanted | string {
  const options = {
    from: { type: "string" },
    key: { type: "string", multiple: true },
    unrecorded: { type: "boolean" },
  } as const;
  try {
    const { from, key = [], unrecorded = false } = parseArgs({ args: [...args], options }).values;
    if (from === undefined) return "--from is missing";
    const fault = placeFault(from);
    return fault === null ? { from, key, unrecorded } : `--from ${fault}`;
  } catch (error) {
    return messageOf(error);
  }
}
