import { silentLogger } from "@vigie/core/log";
import { openRedis, type RedisStore } from "@vigie/service-kit/redis/redis";
import { openSwitch } from "@vigie/testkit/tcp-switch";
import type { OwnServers, ServerName } from "./own-servers.ts";
import { untilTrue } from "./until.ts";

/** One Redis of the two, whichever part it plays. */
export interface RedisNode {
  readonly name: ServerName;
  readonly url: string;
  readonly port: number;
}

/** A Redis with a replica beside it, behind one address that fails over. */
export interface RedisPair {
  /** What services know. */
  readonly url: string;
  readonly primary: RedisNode;
  readonly standby: RedisNode;
  /** The standby hears no more of the primary: what is written from now on is lost with it. */
  cutReplication(): void;
  /** The primary dies and the standby takes its place with what it has. */
  failOver(): Promise<void>;
  /** The dead one comes back, empty, and follows. */
  readmit(): Promise<void>;
  /** The two change places while both go on, as in maintenance: connections stay with a server that takes no writes. */
  changePlaces(): Promise<void>;
  close(): Promise<void>;
}

export async function startRedisPair(servers: OwnServers): Promise<RedisPair> {
  const [front, link] = await Promise.all([openSwitch(), openSwitch()]);
  const nodeOf = (name: ServerName, url: string): RedisNode & { readonly store: RedisStore } => {
    const options = { url, prefix: "", connectionName: "pair", log: silentLogger };
    return { name, url, port: Number(new URL(url).port), store: openRedis(options) };
  };
  let primary = nodeOf("redis", servers.redis);
  let standby = nodeOf("standby", await servers.start("standby"));

  async function follow(): Promise<void> {
    link.moveTo(primary.port);
    // By default it waits 5 s for more replicas to copy itself to.
    await primary.store.command("CONFIG", "SET", "repl-diskless-sync-delay", 0);
    await standby.store.command("REPLICAOF", "127.0.0.1", link.port);
    await untilTrue("the standby follows", async () =>
      /master_link_status:up/.test(String(await standby.store.command("INFO", "replication"))),
    );
  }

  async function promote(): Promise<void> {
    await standby.store.command("REPLICAOF", "NO", "ONE");
    [primary, standby] = [standby, primary];
  }

  front.moveTo(primary.port);
  await follow();
  return {
    url: `redis://127.0.0.1:${front.port}`,
    get primary() {
      return primary;
    },
    get standby() {
      return standby;
    },
    cutReplication: () => link.moveTo(null),
    async failOver() {
      await servers.stop(primary.name);
      await promote();
      front.moveTo(primary.port);
    },
    async readmit() {
      await servers.start(standby.name);
      await untilTrue("it answers", () =>
        standby.store.ping().then(
          () => true,
          () => false,
        ),
      );
      await follow();
    },
    async changePlaces() {
      await promote();
      front.moveTo(primary.port, { keepsOpen: true });
      await follow();
    },
    async close() {
      await Promise.all([primary.store.close(), standby.store.close()]);
      await Promise.all([front.close(), link.close()]);
    },
  };
}
