import { silentLogger } from "@vigie/core/log";
import { loadConfig } from "@vigie/service-kit/config";
import { kafkaOptions } from "@vigie/service-kit/kafka-config";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import { auditConfig, kafkaConfig } from "@vigie/service-kit/shared-config";
import { openKafka } from "@vigie/stream/kafka/client";
import { databasePlace } from "#checkpoint/database-place";
import { openTrustedKeys, type SignedCheckpoint, type TrustedKeys } from "#checkpoint/keys";
import { checkpointsNotStored, topicNotes } from "#fsck/outside";
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
  --unrecorded  it is not put on record first, and checkpoints are not taken from the topic: for an installation
                that is down
ends with 0: the database holds what was signed, 1: it does not, and nothing has changed; where it says first how many
leaves are restored, only checkpoints of the topic are missing: run it again; 64: usage
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
    const kept = databasePlace(db, keys.origin, Date.now);
    await kept.keep(checkpoint);
    // Before the topic is read: should that fail, the leaves are there all the same.
    process.stdout.write(`${added} leaves restored; ${checkpoint.size} were signed\n`);
    // With the leaves the database has lost what was signed of them; the topic has it for a while.
    for await (const older of unrecorded ? [] : lostCheckpoints(db, keys)) {
      if (older.size < checkpoint.size) await kept.keep(older);
    }
    return 0;
  },
});

function lostCheckpoints(db: Queryable, keys: TrustedKeys): AsyncIterable<SignedCheckpoint> {
  const { prefix, ...kafka } = kafkaOptions(loadConfig(kafkaConfig, operatorSource()));
  const client = openKafka({ ...kafka, clientId: "vigie-audit-restore", log: silentLogger });
  return checkpointsNotStored(db, topicNotes(client, { prefix, origin: keys.origin }), keys);
}
