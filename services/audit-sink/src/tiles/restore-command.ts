import { loadConfig } from "@vigie/service-kit/config";
import { auditConfig } from "@vigie/service-kit/shared-config";
import { databasePlace } from "#checkpoint/database-place";
import { openTrustedKeys } from "#checkpoint/keys";
import { operatorCommand, operatorSource, putOnRecord } from "#operator-command";
import { everySoOften } from "#progress";
import { createSigners } from "#signer";
import { tilesCommandConfig } from "./command.ts";
import { restoreLeaves } from "./restore.ts";
import { storeOf } from "./store-of.ts";
import { type WantedPlace, wantedPlace } from "./wanted-place.ts";

const USAGE = `main.ts restore --from PLACE [--key VKEY]... [--unrecorded]
  appends the leaves that the database lacks out of the tiles in a folder or s3://bucket/prefix
  --key VKEY    a key whose checkpoints are valid, besides those that are configured
  --unrecorded  it is not put on record first: for an installation that is down
ends with 0: the database holds what was signed, 1: it does not, nothing has changed, 64: usage
`;

/** A statement of 256 leaves waits for nobody; the first one waits for a sink that appends. */
const STATEMENT_TIMEOUT_MS = 120_000;

export const restoreCommand = operatorCommand({
  name: "audit-restore",
  usage: USAGE,
  config: () => loadConfig({ ...tilesCommandConfig, ...auditConfig }, operatorSource()),
  statementTimeoutMs: STATEMENT_TIMEOUT_MS,
  want: (args): WantedPlace => wantedPlace("from", args),
  async run({ place, key, unrecorded }, { config, db }) {
    const keys = openTrustedKeys(config, key);
    const store = await storeOf(place, config);
    const { current: signer } = createSigners(config.WORM_SIGNING_SECRET);
    const payload = { from: store.name };
    if (!unrecorded) await putOnRecord({ action: "audit.restore_requested", payload });
    const onProgress = everySoOften((leaves: bigint) => {
      process.stderr.write(`${leaves} leaves\n`);
    });
    const parts = { store, keys, signer, clock: Date.now, onProgress };
    const { added, checkpoint } = await restoreLeaves(db, parts);
    await databasePlace(db, keys.origin, Date.now).keep(checkpoint);
    process.stdout.write(`${added} leaves restored; ${checkpoint.size} were signed\n`);
    return 0;
  },
});
