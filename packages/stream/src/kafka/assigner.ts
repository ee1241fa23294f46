import { assert } from "@vigie/core/assert";
import {
  type Assigner,
  type AssignerMember,
  type Cluster,
  MemberAssignment,
  MemberMetadata,
} from "./internals.ts";

/** What a member says of itself when it joins. */
export interface MemberClaim {
  readonly memberId: string;
  readonly topics: readonly string[];
  /** Partitions whose tasks it runs now. */
  readonly running: readonly number[];
  /** Partitions whose store it has on disk. */
  readonly stored: readonly number[];
}

/**
 * Gives each partition number to one member: evenly (counts differ by one at most), where its task runs if
 * possible, else where its store lies. Members are served in order of id, so every run decides alike.
 */
export function assignPartitions(
  members: readonly MemberClaim[],
  partitions: number,
): ReadonlyMap<string, readonly number[]> {
  assert(members.length > 0, "a group has members");
  const sorted = [...members].sort((a, b) => (a.memberId < b.memberId ? -1 : 1));
  const floor = Math.floor(partitions / sorted.length);
  let extras = partitions % sorted.length;
  const given = new Map<string, number[]>(sorted.map(({ memberId }) => [memberId, []]));
  const open = new Set(Array.from({ length: partitions }, (_, partition) => partition));

  const tryGive = (memberId: string, partition: number): void => {
    const own = given.get(memberId) ?? [];
    if (!open.has(partition) || own.length > floor) return;
    if (own.length === floor) {
      if (extras === 0) return;
      extras -= 1;
    }
    own.push(partition);
    open.delete(partition);
  };
  for (const claims of ["running", "stored"] as const) {
    for (const member of sorted) {
      for (const partition of member[claims]) tryGive(member.memberId, partition);
    }
  }
  for (const partition of [...open]) {
    const least = sorted.reduce((a, b) =>
      (given.get(b.memberId) as number[]).length < (given.get(a.memberId) as number[]).length
        ? b
        : a,
    );
    tryGive(least.memberId, partition);
  }
  assert(open.size === 0, "every partition has a member");
  for (const own of given.values()) own.sort((a, b) => a - b);
  return given;
}

/** Name and version of the protocol that members of a group must share. */
const NAME = "vigie-copartitioned";
const VERSION = 0;

interface UserData {
  readonly running: readonly number[];
  readonly stored: readonly number[];
}

const isNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((item) => Number.isInteger(item) && item >= 0);

/** A claim that cannot be read counts as none: it only costs stickiness. */
export function parseUserData(bytes: Buffer | null): UserData {
  try {
    const { running, stored } = JSON.parse(bytes?.toString("utf8") ?? "") as Partial<UserData>;
    return { running: isNumbers(running) ? running : [], stored: isNumbers(stored) ? stored : [] };
  } catch {
    return { running: [], stored: [] };
  }
}

function claimOf({ memberId, memberMetadata }: AssignerMember): MemberClaim {
  const { topics, userData } = MemberMetadata.decode(memberMetadata);
  return { memberId, topics, ...parseUserData(userData) };
}

/** The topics of one member, all with the partitions given to it as far as each topic has them. */
function encodeAssignment(
  cluster: Cluster,
  topics: readonly string[],
  partitions: readonly number[],
): Buffer {
  const assignment: Record<string, number[]> = {};
  for (const topic of topics) {
    const count = cluster.findTopicPartitionMetadata(topic).length;
    assignment[topic] = partitions.filter((partition) => partition < count);
  }
  return MemberAssignment.encode({ version: VERSION, assignment, userData: Buffer.alloc(0) });
}

/** Partition p of every subscribed topic goes to one member. `claims` is asked at each join. */
export function coPartitionedAssigner(cluster: Cluster, claims: () => UserData): Assigner {
  return {
    name: NAME,
    version: VERSION,
    async assign({ members, topics }) {
      const counts = topics.map((topic) => cluster.findTopicPartitionMetadata(topic).length);
      const all = members.map(claimOf);
      const given = assignPartitions(all, Math.max(0, ...counts));
      return all.map(({ memberId, topics: subscribed }) => ({
        memberId,
        memberAssignment: encodeAssignment(cluster, subscribed, given.get(memberId) ?? []),
      }));
    },
    protocol: ({ topics }) => ({
      name: NAME,
      metadata: MemberMetadata.encode({
        version: VERSION,
        topics,
        userData: Buffer.from(JSON.stringify(claims()), "utf8"),
      }),
    }),
  };
}
