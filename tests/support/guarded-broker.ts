import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HOME } from "@vigie/scripts/lib/base";
import { fetchJava } from "@vigie/scripts/lib/fetch-java";
import { startKafka } from "@vigie/scripts/lib/kafka";
import { checkNative } from "@vigie/scripts/lib/native";
import { freePorts } from "@vigie/scripts/lib/ports";
import { startMark, stopAll } from "@vigie/scripts/lib/processes";
import { createProgress } from "@vigie/scripts/lib/progress";
import { openState } from "@vigie/scripts/lib/state";

/** A Kafka that asks who it is, and lets nobody do what no rule allows; only `admin` may do all. */
export interface GuardedBroker {
  /** host:port */
  readonly address: string;
  close(): Promise<void>;
}

export const passwordOf = (user: string): string => `password-of-${user}`;

/** What a client of one user is configured by. */
export const saslOf = (user: string) => ({
  KAFKA_SASL_MECHANISM: "plain",
  KAFKA_SASL_USERNAME: user,
  KAFKA_SASL_PASSWORD: passwordOf(user),
});

/** Source: Kafka's documentation, Security: SASL/PLAIN and Authorization. Only the controller is asked without a name. */
const settingsFor = (users: readonly string[]): string => `inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="${passwordOf("admin")}" ${["admin", ...users].map((user) => `user_${user}="${passwordOf(user)}"`).join(" ")};
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:admin;User:ANONYMOUS
`;

export async function startGuardedBroker(users: readonly string[]): Promise<GuardedBroker> {
  const data = mkdtempSync(join(tmpdir(), "vigie-guarded-"));
  chmodSync(data, 0o755);
  // Should we be killed, the next test run finds and ends what we began.
  const state = openState(join(HOME, "test-stacks", `guarded-${process.pid}.json`));
  const runner = { pid: process.pid, startedAt: startMark(process.pid) };
  state.set({ runner, folders: [data] });
  const close = async (): Promise<void> => {
    await stopAll(state.get().processes);
    rmSync(data, { recursive: true, force: true });
    state.remove();
  };
  const say = (): void => {};
  try {
    await fetchJava({ say, progress: createProgress(say).progress });
    const ports = await freePorts(["kafka", "controller"]);
    const address = await startKafka({
      java: checkNative(),
      port: ports.kafka,
      controllerPort: ports.controller,
      data,
      log: join(data, "kafka.log"),
      register: state.add,
      settings: settingsFor(users),
    });
    return { address, close };
  } catch (error) {
    await close();
    throw error;
  }
}
