import { parseArgs } from "node:util";
import { messageOf, VigError } from "@vigie/core/errors";
import { silentLogger } from "@vigie/core/log";
import { readNodes } from "@vigie/service-kit/audit/nodes";
import { loadConfig } from "@vigie/service-kit/config";
import { type OperatorDeed, putDeedOnRecord } from "@vigie/service-kit/operator-audit";
import { type Database, openDatabase } from "@vigie/service-kit/postgres/database";
import {
  databaseConfig,
  kafkaConfig,
  prefixConfig,
  registryConfig,
  tilesConfig,
} from "@vigie/service-kit/shared-config";
import { databaseOptions } from "@vigie/service-kit/store-config";
import { databaseCosignatures, databasePlace } from "#checkpoint/database-place";
import {
  openSigned,
  openTrustedKeys,
  type SignedCheckpoint,
  type TrustedKeys,
  trustedKeysConfig,
} from "#checkpoint/keys";
import { type Command, EXIT_USAGE } from "#commands";
import { ROLE } from "#guard";
import { everySoOften } from "#progress";
import { placeFault, storeOf } from "./store-of.ts";
import { databaseTiles, writeTiles } from "./tile-files.ts";

const USAGE = `main.ts tiles --to PLACE [--key VKEY]... [--unrecorded]
  writes the audit log up to its newest checkpoint as C2SP tiles into a folder or s3://bucket/prefix;
  where some of it lies already, what is missing
  --key VKEY    a key whose checkpoints are valid, besides those that are configured
  --unrecorded  it is not put on record first: for an installation that is down
ends with 0: all is there, 1: it is not, 64: usage
`;

const EXIT_FAILED = 1;

/** What this command and \`restore\` are configured by. */
export const tilesCommandConfig = {
  ...databaseConfig,
  ...prefixConfig,
  ...trustedKeysConfig,
  ...tilesConfig,
};

interface Wanted {
  readonly to: string;
  readonly key: readonly string[];
  readonly unrecorded: boolean;
}

export const tilesCommand: Command = async (args) => {
  const wanted = wantedOf(args);
  if (typeof wanted === "string") {
    process.stderr.write(`${wanted}\n${USAGE}`);
    return EXIT_USAGE;
  }
  const config = loadConfig(tilesCommandConfig, { env: process.env, argv: [] });
  const about = { name: "audit-tiles", role: ROLE, log: silentLogger };
  const db = openDatabase(databaseOptions(config, about));
  try {
    const keys = openTrustedKeys(config, wanted.key);
    const checkpoint = await newestOf(db, keys);
    const lines = await databaseCosignatures(db, keys.origin).linesOf(checkpoint.size);
    const store = await storeOf(wanted.to, config);
    const payload = { to: store.name, tree_size: Number(checkpoint.size) };
    if (!wanted.unrecorded) await putOnRecord({ action: "audit.tiles_requested", payload });
    const source = databaseTiles(db, readNodes(db));
    const onProgress = everySoOften((leaves: bigint) => {
      process.stderr.write(`${leaves} of ${checkpoint.size} leaves\n`);
    });
    await writeTiles({ source, store, keys, onProgress }, checkpoint, lines);
    process.stdout.write(`${checkpoint.size} leaves of ${keys.origin} are in ${store.name}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    return EXIT_FAILED;
  } finally {
    await db.close();
  }
};

function wantedOf(args: readonly string[]): Wanted | string {
  const options = {
    to: { type: "string" },
    key: { type: "string", multiple: true },
    unrecorded: { type: "boolean" },
  } as const;
  try {
    const { to, key = [], unrecorded = false } = parseArgs({ args: [...args], options }).values;
    if (to === undefined) return "--to is missing";
    const fault = placeFault(to);
    return fault === null ? { to, key, unrecorded } : `--to ${fault}`;
  } catch (error) {
    return messageOf(error);
  }
}

/** Before anything is read. Throws: VIG_AUDIT_WRITE_FAILED; then nothing is done. */
export const putOnRecord = (deed: OperatorDeed): Promise<void> =>
  putDeedOnRecord(
    loadConfig({ ...kafkaConfig, ...registryConfig }, { env: process.env, argv: [] }),
    deed,
  );

async function newestOf(db: Database, keys: TrustedKeys): Promise<SignedCheckpoint> {
  const note = await databasePlace(db, keys.origin, Date.now).newest();
  if (note === null) throw new VigError("VIG_AUDIT_NOT_SIGNED", { by: "its key" });
  return openSigned(note, keys);
}
