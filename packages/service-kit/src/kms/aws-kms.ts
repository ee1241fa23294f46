import {
  DecryptCommand,
  EncryptCommand,
  GenerateDataKeyWithoutPlaintextCommand,
  KMSClient,
  KMSServiceException,
} from "@aws-sdk/client-kms";
import { assert } from "@vigie/core/assert";
import { messageOf, VigError } from "@vigie/core/errors";
import { KMS_ARN, MASTER_BYTES, type WrappedSecret } from "./keys-file.ts";
import type { Kms } from "./kms.ts";

export interface AwsKmsOptions {
  /** Null: AWS's own of the region that the key's ARN names. */
  readonly endpoint: string | null;
  /** For tests. Unset: `WAITING`. */
  readonly waiting?: typeof WAITING;
}

/** A Decrypt takes some 10 ms within a region; five tries with the library's pauses end within half a minute. */
const WAITING = { connectMs: 2_000, requestMs: 5_000, attemptsMax: 5 };

/** What a blob is bound to; CloudTrail shows it in clear. */
const contextOf = (keyId: string) => ({ "vigie:purpose": "master-key", "vigie:key": keyId });

/**
 * AWS KMS, or what speaks like it. Credentials come from where the SDK looks for them: the environment, a web
 * identity, a container, an instance.
 */
export function openAwsKms({ endpoint, waiting = WAITING }: AwsKmsOptions): Kms {
  const clients = new Map<string, KMSClient>();
  const clientOf = (kmsKey: string): KMSClient => {
    const region = KMS_ARN.exec(kmsKey)?.[1];
    assert(region !== undefined, "a KMS key is named by its ARN");
    const known = clients.get(region);
    if (known !== undefined) return known;
    const client = new KMSClient({
      region,
      ...(endpoint !== null && { endpoint }),
      maxAttempts: waiting.attemptsMax,
      requestHandler: {
        connectionTimeout: waiting.connectMs,
        requestTimeout: waiting.requestMs,
        throwOnRequestTimeout: true,
      },
    });
    clients.set(region, client);
    return client;
  };
  async function ask<T>(keyId: string, kmsKey: string, send: (client: KMSClient) => Promise<T>) {
    const client = clientOf(kmsKey);
    try {
      return await send(client);
    } catch (error) {
      // Without the cause: what the library throws carries the request and the answer.
      const why = whyOf(error);
      if (!mayPass(error)) throw new VigError("VIG_KMS_REFUSED", { keyId, kmsKey, why });
      throw new VigError("VIG_KMS_AWAY", { why });
    }
  }
  return {
    async generate(kmsKey, keyId) {
      const command = new GenerateDataKeyWithoutPlaintextCommand({
        KeyId: kmsKey,
        NumberOfBytes: MASTER_BYTES,
        EncryptionContext: contextOf(keyId),
      });
      return wrappedOf(await ask(keyId, kmsKey, (client) => client.send(command)));
    },
    async wrap(kmsKey, keyId, secret) {
      const command = new EncryptCommand({
        KeyId: kmsKey,
        Plaintext: secret,
        EncryptionContext: contextOf(keyId),
      });
      return wrappedOf(await ask(keyId, kmsKey, (client) => client.send(command)));
    },
    async open({ kmsKey, blob }, keyId) {
      const command = new DecryptCommand({
        KeyId: kmsKey,
        CiphertextBlob: blob,
        EncryptionContext: contextOf(keyId),
      });
      const opened = await ask(keyId, kmsKey, (client) => client.send(command));
      const secret = Buffer.from(opened.Plaintext ?? []);
      if (secret.length === MASTER_BYTES) return secret;
      throw new VigError("VIG_KMS_REFUSED", { keyId, kmsKey, why: "the secret is not 32 bytes" });
    },
    close() {
      for (const client of clients.values()) client.destroy();
    },
  };
}

/** KMS answers with the key itself also where an alias was given: an alias may be moved later. */
function wrappedOf(made: {
  readonly KeyId?: string | undefined;
  readonly CiphertextBlob?: Uint8Array | undefined;
}): WrappedSecret {
  const { KeyId: kmsKey = "", CiphertextBlob: blob } = made;
  assert(KMS_ARN.test(kmsKey) && blob !== undefined, "KMS answers with a blob and its key's ARN");
  return { kmsKey, blob: Buffer.from(blob) };
}

/** The name alone of what KMS answers: its messages may quote parts of the request. */
const whyOf = (error: unknown): string => {
  if (error instanceof KMSServiceException) return error.name;
  return error instanceof Error ? `${error.name}: ${messageOf(error)}` : "unknown";
};

function mayPass(error: unknown): boolean {
  if (error instanceof KMSServiceException) {
    return error.$fault === "server" || error.name === "ThrottlingException";
  }
  return !(error instanceof Error && error.name === "CredentialsProviderError");
}
