import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { messageOf, VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { coPartitionedAssigner } from "./assigner.ts";
import { asVigError, recoverCluster, rootOf } from "./client.ts";
import {
  type Cluster,
  type GroupMembership,
  KafkajsEmitter,
  type KafkajsError,
  KafkajsGroup,
  type KafkajsLogger,
} from "./internals.ts";
import { pause } from "./pause.ts";

export interface MembershipOptions {
  readonly groupId: string;
  readonly topics: readonly string[];
  /** Where the member id is kept over a crash, or null. */
  readonly memberIdFile: string | null;
  readonly stored: () => readonly number[];
  readonly heartbeatMs: number;
  readonly sessionMs: number;
  readonly log: Logger;
  readonly kafkajsLogger: KafkajsLogger;
}

export interface MembershipEvents {
  /** The group forms anew; what is assigned may change. */
  rebalancing(): void;
  /**
   * The partitions of this member. `continuous`: nobody else can have owned meanwhile what was owned before; else
   * all that is kept must be treated as lost and assigned again.
   */
  assigned(partitions: readonly number[], continuous: boolean): void;
  broker(up: boolean, why?: string): void;
  failed(error: VigError): void;
}

/** Members rejoin within a heartbeat; one that has not after this is left behind. */
const REBALANCE_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 1_000;
const BACKOFF_FIRST_MS = 50;
const BACKOFF_MAX_MS = 1_000;
/** Source: errors.js of kafkajs, isRebalancing; a new coordinator keeps generation and members. */
const REJOIN = new Set(["REBALANCE_IN_PROGRESS", "NOT_COORDINATOR_FOR_GROUP"]);
const EXPELLED = new Set(["UNKNOWN_MEMBER_ID", "ILLEGAL_GENERATION"]);
const FATAL = new Set([
  "GROUP_AUTHORIZATION_FAILED",
  "TOPIC_AUTHORIZATION_FAILED",
  "INCONSISTENT_GROUP_PROTOCOL",
  "INVALID_GROUP_ID",
  "INVALID_SESSION_TIMEOUT",
  "GROUP_MAX_SIZE_REACHED",
]);

/** Membership in a consumer group: joining, heartbeats on a timer of their own, leaving. Fetches nothing. */
export class Membership {
  private readonly cluster: Cluster;
  private readonly options: MembershipOptions;
  private readonly events: MembershipEvents;
  private readonly group: GroupMembership;
  private running: readonly number[] = [];
  private last: { memberId: string; generationId: number } | null = null;
  private savedId: string | null = null;
  private stopped = false;
  private loop: Promise<void> = Promise.resolve();
  private wakeUp: () => void = () => undefined;

  constructor(cluster: Cluster, options: MembershipOptions, events: MembershipEvents) {
    this.cluster = cluster;
    this.options = options;
    this.events = events;
    const claims = () => ({ running: this.running, stored: options.stored() });
    this.group = new KafkajsGroup({
      cluster,
      groupId: options.groupId,
      topics: [...options.topics],
      topicConfigurations: Object.fromEntries(
        options.topics.map((topic) => [topic, { fromBeginning: true }]),
      ),
      logger: options.kafkajsLogger,
      instrumentationEmitter: new KafkajsEmitter({}),
      assigners: [coPartitionedAssigner(cluster, claims)],
      sessionTimeout: options.sessionMs,
      rebalanceTimeout: REBALANCE_TIMEOUT_MS,
      autoCommit: false,
      retry: { initialRetryTime: 20, maxRetryTime: 200, retries: 5 },
    });
  }

  get memberId(): string | null {
    return this.group.memberId;
  }

  /** Takes a dead predecessor out of the group first, so that nobody waits for its session to end. */
  async start(): Promise<void> {
    await this.leaveForPredecessor();
    this.loop = this.run();
  }

  /** Leaves the group. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.wakeUp();
    // A join under way may take long; leaving ends it.
    await Promise.race([this.loop, pause(STOP_TIMEOUT_MS)]);
    try {
      await this.group.leave();
      if (this.options.memberIdFile !== null) await rm(this.options.memberIdFile, { force: true });
    } catch (error) {
      this.options.log.warn({ why: asVigError(error).message }, "kafka.group.leave_failed");
    }
  }

  private async leaveForPredecessor(): Promise<void> {
    const { memberIdFile, groupId, log } = this.options;
    if (memberIdFile === null) return;
    const memberId = (await readFile(memberIdFile, "utf8").catch(() => "")).trim();
    if (memberId === "") return;
    try {
      const coordinator = await this.cluster.findGroupCoordinator({ groupId });
      await coordinator.leaveGroup({ groupId, memberId });
      log.info({ groupId }, "kafka.group.predecessor_left");
    } catch (error) {
      if ((error as KafkajsError).type === "UNKNOWN_MEMBER_ID") return;
      // It only saves the wait for the dead member's session.
      log.warn({ groupId, why: asVigError(error).message }, "kafka.group.predecessor_stays");
    }
  }

  private async run(): Promise<void> {
    let joined = false;
    let failures = 0;
    while (!this.stopped) {
      try {
        if (joined) {
          await this.sleep(this.options.heartbeatMs);
          if (this.stopped) return;
          await this.group.heartbeat({ interval: 0 });
        } else {
          await this.join();
          joined = true;
        }
        failures = 0;
        this.events.broker(true);
      } catch (error) {
        if (this.stopped) return;
        const verdict = judge(error);
        if (verdict === "fatal") return this.events.failed(asVigError(error));
        if (verdict === "away") {
          failures += 1;
          await this.recover(error, failures);
          continue;
        }
        if (verdict === "expelled") this.forget();
        if (joined) this.events.rebalancing();
        joined = false;
      }
    }
  }

  private async join(): Promise<void> {
    await this.group.connect();
    await this.group.joinAndSync();
    const { memberId, generationId } = this.group;
    if (memberId === null || generationId === null || this.stopped) return;
    const continuous =
      this.last === null ||
      (this.last.memberId === memberId && this.last.generationId + 1 >= generationId);
    this.last = { memberId, generationId };
    await this.saveId(memberId);
    const partitions = [...new Set(this.group.assigned().flatMap((topic) => topic.partitions))];
    this.running = partitions.sort((a, b) => a - b);
    const { groupId, log } = this.options;
    log.info({ groupId, generationId, partitions: this.running }, "kafka.group.assigned");
    this.events.assigned(this.running, continuous);
  }

  private async saveId(memberId: string): Promise<void> {
    const { log, memberIdFile } = this.options;
    if (memberIdFile === null || this.savedId === memberId) return;
    this.savedId = memberId;
    try {
      await mkdir(dirname(memberIdFile), { recursive: true });
      await writeFile(memberIdFile, memberId);
    } catch (error) {
      // A full disk must not keep a member out of its group: the next start only waits longer.
      log.warn({ why: messageOf(error) }, "kafka.group.member_id_not_kept");
    }
  }

  /** Others may own by now what this member owned. */
  private forget(): void {
    this.group.memberId = null;
    this.last = { memberId: "", generationId: -1 };
  }

  private async recover(error: unknown, failures: number): Promise<void> {
    if (failures > 1) this.events.broker(false, asVigError(error).message);
    await this.sleep(Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures, 10)));
    if (this.stopped) return;
    try {
      await recoverCluster(this.cluster, error);
      await this.findCoordinator();
    } catch (again) {
      if (!this.stopped) this.events.broker(false, asVigError(again).message);
    }
  }

  /** A restarted coordinator is another connection; heartbeats use the one of the last join. */
  private async findCoordinator(): Promise<void> {
    const { groupId } = this.options;
    const coordinator = await this.cluster.findGroupCoordinator({ groupId });
    (this.group as unknown as { coordinator: unknown }).coordinator = coordinator;
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function judge(error: unknown): "rejoin" | "expelled" | "fatal" | "away" {
  const types = [(error as KafkajsError).type ?? "", rootOf(error).type ?? ""];
  if (error instanceof VigError || types.some((type) => FATAL.has(type))) return "fatal";
  if (types.some((type) => EXPELLED.has(type))) return "expelled";
  return types.some((type) => REJOIN.has(type)) ? "rejoin" : "away";
}
