/** What the service does besides running: main.ts NAME [args]. Resolves with the exit code. */
export type Command = (args: readonly string[]) => Promise<number>;

/** Source: sysexits.h, EX_USAGE. */
export const EXIT_USAGE = 64;

/** By name; each is loaded when it is called for. */
export const commands: Readonly<Record<string, () => Promise<Command>>> = {
  export: async () => (await import("./export/command.ts")).exportCommand,
  fsck: async () => (await import("./fsck/command.ts")).fsckCommand,
  rebuild: async () => (await import("./projection/rebuild.ts")).rebuild,
  restore: async () => (await import("./tiles/restore-command.ts")).restoreCommand,
  tiles: async () => (await import("./tiles/command.ts")).tilesCommand,
  witness: async () => (await import("./witness/command.ts")).witnessCommand,
};

/** Which command the arguments name; null for none of them: the service itself, which takes flags only. */
export function commandOf(argv: readonly string[]): (() => Promise<number>) | null {
  const [name, ...args] = argv;
  if (name === undefined || name.startsWith("-")) return null;
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (load !== undefined) return async () => (await load())(args);
  return async () => {
    process.stderr.write(`There is no ${name}: ${Object.keys(commands).join(", ")}\n`);
    return EXIT_USAGE;
  };
}
