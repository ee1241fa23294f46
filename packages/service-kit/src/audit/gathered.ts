import type { NodeId, ReadNodes } from "@vigie/audit-log/proofs";

interface Round {
  readonly nodes: Map<string, NodeId>;
  readonly hashes: Promise<ReadonlyMap<string, Buffer>>;
}

/** Many proofs asked for at once share most of their nodes: these are read in one go, each once. */
export function gathered(read: ReadNodes): ReadNodes {
  let round: Round | null = null;

  function begin(): Round {
    const nodes = new Map<string, NodeId>();
    // After all that is ready to ask has asked.
    const asked = new Promise<void>((resolve) => setImmediate(resolve));
    const hashes = asked.then(async () => {
      round = null;
      const found = await read([...nodes.values()]);
      return new Map([...nodes.keys()].map((name, i) => [name, found[i] as Buffer]));
    });
    return { nodes, hashes };
  }

  return async (wanted) => {
    round ??= begin();
    const { nodes, hashes } = round;
    for (const node of wanted) nodes.set(nameOf(node), node);
    const found = await hashes;
    return wanted.map((node) => found.get(nameOf(node)) as Buffer);
  };
}

const nameOf = ({ level, index }: NodeId): string => `${level}/${index}`;
