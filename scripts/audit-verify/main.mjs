#!/usr/bin/env node
// Verifies an export of the audit log offline. Needs nothing but Node 20 or newer and this folder.
import { parseArgs } from "node:util";
import { EXIT, textOf } from "./report.mjs";
import { UsageError } from "./trust.mjs";
import { verify } from "./verify.mjs";

const USAGE = `node main.mjs EXPORT --key VKEY [options]

EXPORT               file of an export, - for standard input, or a folder of tiles
--key VKEY           verifier key of the log; again for a retired one
--witness VKEY       a witness that must have cosigned
--checkpoint FILE    a checkpoint that you have from elsewhere, which the tree must agree with
--since FILE         a checkpoint that you had before this export was made
--consistency FILE   {first, second, proof} between that one and the export's: a filtered export needs it
--whole              all leaves are expected: an export of chosen ones is incomplete
--json               the result as JSON

WORM_SIGNING_SECRET and WORM_SIGNING_SECRETS_RETIRED (separated by commas), if set, also verify the HMAC of
each record.

Exit code: 0 intact; 1 tampered; 2 incomplete; 3 erased, and each erasure proven; 4 unreadable; 64 usage`;

const OPTIONS = {
  key: { type: "string", multiple: true },
  witness: { type: "string", multiple: true },
  checkpoint: { type: "string" },
  since: { type: "string", multiple: true },
  consistency: { type: "string", multiple: true },
  whole: { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
};

function parse(argv) {
  try {
    return parseArgs({ args: argv, options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error.message);
  }
}

const secretsOf = ({ WORM_SIGNING_SECRET = "", WORM_SIGNING_SECRETS_RETIRED = "" }) =>
  [WORM_SIGNING_SECRET, ...WORM_SIGNING_SECRETS_RETIRED.split(",")]
    .map((secret) => secret.trim())
    .filter((secret) => secret !== "");

async function main(argv, env) {
  const { values, positionals } = parse(argv);
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  if (positionals.length !== 1) throw new UsageError("one EXPORT is expected");
  const result = await verify(positionals[0], { ...values, secrets: secretsOf(env) });
  console.log(values.json ? JSON.stringify(result, null, 2) : textOf(result));
  return result.exit;
}

try {
  process.exitCode = await main(process.argv.slice(2), process.env);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${USAGE}`);
  process.exitCode = EXIT.usage;
}
