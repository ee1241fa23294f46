import { createWriteStream } from "node:fs";
import type { Writable } from "node:stream";
import { parseArgs } from "node:util";
import { messageOf } from "@vigie/core/errors";
import { silentLogger } from "@vigie/core/log";
import { loadConfig } from "@vigie/service-kit/config";
import { openKeys } from "@vigie/service-kit/kms/open-keys";
import { type OperatorDeed, putDeedOnRecord } from "@vigie/service-kit/operator-audit";
import { openDatabase } from "@vigie/service-kit/postgres/database";
import {
  checkpointKeyConfig,
  databaseConfig,
  kafkaConfig,
  keysConfig,
  prefixConfig,
  registryConfig,
} from "@vigie/service-kit/shared-config";
import { databaseOptions } from "@vigie/service-kit/store-config";
import { type Command, EXIT_USAGE } from "#commands";
import { ROLE } from "#guard";
import { everySoOften } from "#progress";
import { exportLog } from "./export-log.ts";

const USAGE = `main.ts export [--out FILE] [--sealed] [--witnessed] [--unrecorded]
  writes the whole audit log up to its newest checkpoint, with what its verifier needs (docs/audit-format.md)
  --out FILE    a new file, mode 600; else standard output
  --sealed      personal data stays encrypted: no keys are needed
  --witnessed   up to the newest checkpoint that a witness cosigned, if it is not the newest
  --unrecorded  the export is not put on record first: for an installation that is down
ends with 0: all is written, 1: it is not, 64: usage
`;

const EXIT_FAILED = 1;

const exportConfig = {
  ...databaseConfig,
  ...prefixConfig,
  AUDIT_ORIGIN: checkpointKeyConfig.AUDIT_ORIGIN,
};

interface Wanted {
  readonly out?: string | undefined;
  readonly sealed?: boolean | undefined;
  readonly witnessed?: boolean | undefined;
  readonly unrecorded?: boolean | undefined;
}

export const exportCommand: Command = async (args) => {
  const wanted = wantedOf(args);
  if (typeof wanted === "string") {
    process.stderr.write(`${wanted}\n${USAGE}`);
    return EXIT_USAGE;
  }
  const config = loadConfig(exportConfig, { env: process.env, argv: [] });
  const db = openDatabase(
    databaseOptions(config, { name: "audit-export", role: ROLE, log: silentLogger }),
  );
  try {
    const size = await exportLog(
      {
        db,
        origin: config.AUDIT_ORIGIN,
        isWitnessed: wanted.witnessed ?? false,
        keys: wanted.sealed ? null : await openKeys(load(keysConfig)),
        record: wanted.unrecorded ? async () => {} : putOnRecord,
        onProgress: everySoOften((read: number, of: number) => {
          process.stderr.write(`${read} of ${of} leaves\n`);
        }),
      },
      () => outOf(wanted),
    );
    process.stderr.write(`${size} leaves of ${config.AUDIT_ORIGIN}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    return EXIT_FAILED;
  } finally {
    await db.close();
  }
};

const load: <S extends Parameters<typeof loadConfig>[0]>(
  schema: S,
) => ReturnType<typeof loadConfig<S>> = (schema) =>
  loadConfig(schema, { env: process.env, argv: [] });

/** With what is open in it, it is for its owner only. */
const outOf = ({ out }: Wanted): Writable =>
  out === undefined ? process.stdout : createWriteStream(out, { flags: "wx", mode: 0o600 });

async function putOnRecord(deed: OperatorDeed): Promise<void> {
  await putDeedOnRecord(load({ ...kafkaConfig, ...registryConfig }), deed);
}

function wantedOf(args: readonly string[]): Wanted | string {
  const flag = { type: "boolean" } as const;
  const flags = { sealed: flag, witnessed: flag, unrecorded: flag };
  const options = { out: { type: "string" }, ...flags } as const;
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    return messageOf(error);
  }
}
