import { parseArgs } from "node:util";
import { silentLogger } from "@vigie/core/log";
import { loadConfig, type Parsed } from "@vigie/service-kit/config";
import { kafkaOptions } from "@vigie/service-kit/kafka-config";
import type { Database } from "@vigie/service-kit/postgres/database";
import {
  auditConfig,
  databaseConfig,
  kafkaConfig,
  prefixConfig,
} from "@vigie/service-kit/shared-config";
import { openKafka } from "@vigie/stream/kafka/client";
import { openTrustedKeys, type TrustedKeys, trustedKeysConfig } from "../checkpoint/keys.ts";
import { operatorCommand, operatorSource } from "../operator-command.ts";
import { everySoOften } from "../progress.ts";
import { createSigners } from "../signer.ts";
import { fsck, type Verdict } from "./fsck.ts";
import type { VerifyRecord } from "./leaf-check.ts";
import type { Finding } from "./log-source.ts";
import { folderNotes, type OutsideNote, readOutside, topicNotes } from "./outside.ts";
import { postgresSource } from "./postgres-source.ts";

const USAGE = `main.ts fsck [--topic] [--folder DIR]... [--key VKEY]... [--json]
  recomputes the tree of the audit log from its rows and compares it with every checkpoint in the database,
  --topic       on the topic id.audit.checkpoint,
  --folder DIR  and in files of DIR named checkpoint or *.checkpoint
  --key VKEY    a key whose checkpoints are valid, besides those that are configured
ends with 0: intact, 1: tampered, 2: incomplete, 4: not readable, 64: usage
`;

/** Those of scripts/audit-verify; boxes are not opened here, so there is no 3. */
const EXIT = { tampered: 1, unreadable: 4, incomplete: 2 } as const;

/** Findings that are told one by one; more are counted. */
const FINDINGS_TOLD = 100;
/** A page of large leaves from a cold disk. */
const STATEMENT_TIMEOUT_MS = 120_000;

const fsckConfig = {
  ...databaseConfig,
  ...prefixConfig,
  ...auditConfig,
  ...trustedKeysConfig,
};
type FsckConfig = Parsed<typeof fsckConfig>;

const options = {
  topic: { type: "boolean" },
  folder: { type: "string", multiple: true },
  key: { type: "string", multiple: true },
  json: { type: "boolean" },
} as const;

interface Wanted {
  readonly topic?: boolean | undefined;
  readonly folder?: readonly string[] | undefined;
  readonly json?: boolean | undefined;
  readonly keys: TrustedKeys;
}

export const fsckCommand = operatorCommand({
  name: "audit-fsck",
  usage: USAGE,
  config: () => loadConfig(fsckConfig, operatorSource()),
  statementTimeoutMs: STATEMENT_TIMEOUT_MS,
  failed: EXIT.unreadable,
  want(args, config): Wanted {
    const { key, ...rest } = parseArgs({ args, options }).values;
    return { ...rest, keys: openTrustedKeys(config(), key) };
  },
  async run(wanted, { config, db }) {
    const teller = createTeller(wanted);
    const verdict = await check(db, { wanted, config, teller });
    teller.end(verdict);
    return exitOf(verdict);
  },
});

interface CheckParts {
  readonly wanted: Wanted;
  readonly config: FsckConfig;
  readonly teller: Teller;
}

/** What is outside is read first: whatever it speaks of is in the database by then. */
async function check(db: Database, parts: CheckParts): Promise<Verdict> {
  const { wanted, config, teller } = parts;
  const { keys } = wanted;
  const outside = await readOutside(db, notesOf(wanted, config), keys);
  return fsck(postgresSource(db, { keys, others: outside.claims }), {
    verify: verifierOf(config),
    onFinding: teller.found,
    onProgress: teller.progress,
    besides: async () => [...outside.findings, ...(await outside.stillMissing())],
  });
}

async function* notesOf(
  { topic = false, folder = [] }: Wanted,
  { AUDIT_ORIGIN: origin }: FsckConfig,
): AsyncGenerator<readonly OutsideNote[]> {
  if (topic) {
    const { prefix, ...kafka } = kafkaOptions(loadConfig(kafkaConfig, operatorSource()));
    const client = openKafka({ ...kafka, clientId: "vigie-audit-fsck", log: silentLogger });
    yield* topicNotes(client, { prefix, origin });
  }
  for (const each of folder) yield* folderNotes(each);
}

function verifierOf(config: FsckConfig): VerifyRecord {
  const { byId } = createSigners(config.WORM_SIGNING_SECRET, config.WORM_SIGNING_SECRETS_RETIRED);
  return (keyId, hash, signature) => byId.get(keyId)?.sign(hash).equals(signature) ?? null;
}

/** What is wrong outweighs what nobody can judge, and that what is not there. */
function exitOf({ findings }: Verdict): number {
  const kinds = ["tampered", "unreadable", "incomplete"] as const;
  const worst = kinds.find((kind) => findings[kind] > 0);
  return worst === undefined ? 0 : EXIT[worst];
}

interface Teller {
  found(finding: Finding): void;
  progress(checked: Verdict["checked"], size: number): void;
  end(verdict: Verdict): void;
}

function createTeller({ json = false }: Wanted): Teller {
  let count = 0;
  const say = (line: string): void => {
    process.stdout.write(`${printable(line)}\n`);
  };
  return {
    found(finding) {
      count += 1;
      if (count > FINDINGS_TOLD) return;
      say(json ? JSON.stringify(finding) : `${finding.kind}: ${finding.where}: ${finding.why}`);
    },
    progress: everySoOften(({ leaves }, size) => {
      process.stderr.write(`${leaves} of ${size} leaves\n`);
    }),
    end(verdict) {
      if (count > FINDINGS_TOLD && !json) say(`and ${count - FINDINGS_TOLD} more`);
      say(json ? JSON.stringify({ verdict }) : textOf(verdict));
    },
  };
}

/** Names come out of rows and files: none may begin a line, move the cursor or turn the text around. */
const printable = (line: string): string => line.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\ufffd");

function textOf({ size, checked, findings }: Verdict): string {
  const { leaves, tiles, claims } = checked;
  const looked = `${leaves} of ${size} leaves, ${tiles} tiles, ${claims} signed roots`;
  const faults = Object.entries(findings).filter(([, count]) => count > 0);
  const found = faults.map(([kind, count]) => `${count} ${kind}`).join(", ");
  return `${looked}: ${found === "" ? "intact" : found}`;
}
