import { VigError } from "@vigie/core/errors";
import { readNodes } from "@vigie/service-kit/audit/nodes";
import { loadConfig } from "@vigie/service-kit/config";
import type { Database } from "@vigie/service-kit/postgres/database";
import { databaseConfig, prefixConfig, tilesConfig } from "@vigie/service-kit/shared-config";
import { databaseCosignatures, databasePlace } from "#checkpoint/database-place";
import {
  openSigned,
  openTrustedKeys,
  type SignedCheckpoint,
  type TrustedKeys,
  trustedKeysConfig,
} from "#checkpoint/keys";
import { operatorCommand, operatorSource, putOnRecord } from "#operator-command";
import { everySoOften } from "#progress";
import { storeOf } from "./store-of.ts";
import { databaseTiles, writeTiles } from "./tile-files.ts";
import { type WantedPlace, wantedPlace } from "./wanted-place.ts";

const USAGE = `main.ts tiles --to PLACE [--key VKEY]... [--unrecorded]
  writes the audit log up to its newest checkpoint as C2SP tiles into a folder or s3://bucket/prefix;
  where some of it lies already, what is missing
  --key VKEY    a key whose checkpoints are valid, besides those that are configured
  --unrecorded  it is not put on record first: for an installation that is down
ends with 0: all is there, 1: it is not, 64: usage
`;

/** What this command and `restore` are configured by. */
export const tilesCommandConfig = {
  ...databaseConfig,
  ...prefixConfig,
  ...trustedKeysConfig,
  ...tilesConfig,
};

export const tilesCommand = operatorCommand({
  name: "audit-tiles",
  usage: USAGE,
  config: () => loadConfig(tilesCommandConfig, operatorSource()),
  want: (args): WantedPlace => wantedPlace("to", args),
  async run({ place, key, unrecorded }, { config, db }) {
    const keys = openTrustedKeys(config, key);
    const checkpoint = await newestOf(db, keys);
    const lines = await databaseCosignatures(db, keys.origin).linesOf(checkpoint.size);
    const store = await storeOf(place, config);
    const payload = { to: store.name, tree_size: Number(checkpoint.size) };
    if (!unrecorded) await putOnRecord({ action: "audit.tiles_requested", payload });
    const source = databaseTiles(db, readNodes(db));
    const onProgress = everySoOften((leaves: bigint) => {
      process.stderr.write(`${leaves} of ${checkpoint.size} leaves\n`);
    });
    await writeTiles({ source, store, keys, onProgress }, checkpoint, lines);
    process.stdout.write(`${checkpoint.size} leaves of ${keys.origin} are in ${store.name}\n`);
    return 0;
  },
});

async function newestOf(db: Database, keys: TrustedKeys): Promise<SignedCheckpoint> {
  const note = await databasePlace(db, keys.origin, Date.now).newest();
  if (note === null) throw new VigError("VIG_AUDIT_NOT_SIGNED", { by: "its key" });
  return openSigned(note, keys);
}
