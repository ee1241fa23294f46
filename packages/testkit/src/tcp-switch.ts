import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** An address that stays while the server behind it changes. */
export interface TcpSwitch {
  readonly port: number;
  /**
   * Where connections go from now on; null: nowhere, they are refused. Those that are open are cut, unless they are
   * to be kept.
   */
  moveTo(port: number | null, options?: { readonly keepsOpen?: boolean }): void;
  close(): Promise<void>;
}

export async function openSwitch(): Promise<TcpSwitch> {
  const open = new Set<Socket>();
  let target: number | null = null;

  function join(one: Socket, other: Socket): void {
    one.pipe(other);
    open.add(one);
    one.on("error", () => one.destroy());
    one.once("close", () => {
      open.delete(one);
      other.destroy();
    });
  }

  const server = createServer((socket) => {
    if (target === null) return socket.destroy();
    const behind = connect(target, "127.0.0.1");
    join(socket, behind);
    join(behind, socket);
    return undefined;
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    moveTo(port, { keepsOpen = false } = {}) {
      target = port;
      if (!keepsOpen) cut();
    },
    async close() {
      server.close();
      cut();
      await once(server, "close");
    },
  };
}
