import {
  DeleteObjectCommand,
  GetObjectCommand,
  NoSuchKey,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { assert } from "@vigie/core/assert";
import { VigError } from "@vigie/core/errors";
import type { ObjectStore } from "./store.ts";

export interface S3Options {
  readonly bucket: string;
  /** Before every name; "" or ending in "/". */
  readonly prefix: string;
  /** Null: AWS's own of the region. */
  readonly endpoint: string | null;
  readonly region: string;
  /** For tests. Unset: `WAITING`. */
  readonly waiting?: typeof WAITING;
}

/** A file has 8 KiB to 16 MiB; the library's pauses between four tries last some seconds. */
const WAITING = { connectMs: 2_000, requestMs: 30_000, attemptsMax: 4 };
const REMOVALS_AT_ONCE = 8;
const NAME = /^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/;

/**
 * Files in a bucket of S3, or of what speaks like it. Credentials come from where the SDK looks for them: the
 * environment, a web identity, a container, an instance.
 */
export function openS3(options: S3Options): ObjectStore {
  const { bucket, prefix, endpoint, region, waiting = WAITING } = options;
  const client = new S3Client({
    region,
    // Stores of one's own rarely have a host name for each bucket.
    ...(endpoint !== null && { endpoint, forcePathStyle: true }),
    maxAttempts: waiting.attemptsMax,
    // Stores that are not AWS's refuse the checksums that the library adds by itself.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: {
      connectionTimeout: waiting.connectMs,
      requestTimeout: waiting.requestMs,
      throwOnRequestTimeout: true,
    },
  });
  const at = (name: string) => {
    assert(NAME.test(name) && !name.split("/").includes(".."), "a file's name stays in its prefix");
    return { Bucket: bucket, Key: prefix + name };
  };
  const removeOne = (name: string) => client.send(new DeleteObjectCommand(at(name)));
  return {
    name: `s3://${bucket}/${prefix}`,
    put: (name, bytes) =>
      away(async () => {
        await client.send(new PutObjectCommand({ ...at(name), Body: bytes }));
      }),
    get: (name) =>
      away(async () => {
        const got = await client.send(new GetObjectCommand(at(name))).catch(nullIfAbsent);
        return got === null ? null : Buffer.from((await got.Body?.transformToByteArray()) ?? []);
      }),
    // One by one: stores differ in what they want of a request that removes many.
    remove: (names) =>
      away(async () => {
        for (let from = 0; from < names.length; from += REMOVALS_AT_ONCE) {
          await Promise.all(names.slice(from, from + REMOVALS_AT_ONCE).map(removeOne));
        }
      }),
  };
}

function nullIfAbsent(error: unknown): null {
  if (error instanceof NoSuchKey) return null;
  throw error;
}

async function away<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof VigError) throw error;
    // Without the cause: what the library throws carries the request and the answer.
    const why = error instanceof Error ? `${error.name}: ${error.message}` : "unknown";
    throw new VigError("VIG_OBJECTS_AWAY", { why });
  }
}
