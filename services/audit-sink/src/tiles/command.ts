import { parseArgs } from "node:util";
import { messageOf, VigError } from "@vigie/core/errors";
import { silentLogger } from "@vigie/core/log";
import { readNodes } from "@vigie/service-kit/audit/nodes";
import { loadConfig } from "@vigie/service-kit/config";
import { type Database, openDatabase } from "@vigie/service-kit/postgres/database";
import { databaseConfig, prefixConfig, tilesConfig } from "@vigie/service-kit/shared-config";
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

const USAGE = `main.ts tiles --to PLACE [--key VKEY]...
  writes the audit log up to its newest checkpoint as C2SP tiles into a folder or s3://bucket/prefix;
  where some of it lies already, what is missing
  --key VKEY  a key whose checkpoints are valid, besides those that are configured
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
  const options = { to: { type: "string" }, key: { type: "string", multiple: true } } as const;
  try {
    const { to, key = [] } = parseArgs({ args: [...args], options }).values;
    if (to === undefined) return "--to is missing";
    const fault = placeFault(to);
    return fault === null ? { to, key } : `--to ${fault}`;
  } catch (error) {
    return messageOf(error);
  }
}

async function newestOf(db: Database, keys: TrustedKeys): Promise<SignedCheckpoint> {
  const note = await databasePlace(db, keys.origin, Date.now).newest();
  if (note === null) throw new VigError("VIG_AUDIT_NOT_SIGNED");
  return openSigned(note, keys);
}
