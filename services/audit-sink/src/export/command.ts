import { createWriteStream } from "node:fs";
import type { Writable } from "node:stream";
import { parseArgs } from "node:util";
import { loadConfig } from "@vigie/service-kit/config";
import { openKeys } from "@vigie/service-kit/kms/open-keys";
import {
  checkpointKeyConfig,
  databaseConfig,
  keysConfig,
  prefixConfig,
} from "@vigie/service-kit/shared-config";
import { operatorCommand, operatorSource, putOnRecord } from "#operator-command";
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

export const exportCommand = operatorCommand({
  name: "audit-export",
  usage: USAGE,
  config: () => loadConfig(exportConfig, operatorSource()),
  want(args): Wanted {
    const flag = { type: "boolean" } as const;
    const flags = { sealed: flag, witnessed: flag, unrecorded: flag };
    return parseArgs({ args, options: { out: { type: "string" }, ...flags } }).values;
  },
  async run(wanted, { config, db }) {
    const size = await exportLog(
      {
        db,
        origin: config.AUDIT_ORIGIN,
        isWitnessed: wanted.witnessed ?? false,
        keys: wanted.sealed ? null : await openKeys(loadConfig(keysConfig, operatorSource())),
        record: wanted.unrecorded ? async () => {} : putOnRecord,
        onProgress: everySoOften((read: number, of: number) => {
          process.stderr.write(`${read} of ${of} leaves\n`);
        }),
      },
      () => outOf(wanted),
    );
    process.stderr.write(`${size} leaves of ${config.AUDIT_ORIGIN}\n`);
    return 0;
  },
});

/** With what is open in it, it is for its owner only. */
const outOf = ({ out }: Wanted): Writable =>
  out === undefined ? process.stdout : createWriteStream(out, { flags: "wx", mode: 0o600 });
