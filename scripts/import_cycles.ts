/**
 * Finds import cycles in a graph of modules.
 *
 * @module
 */

/** For each module, the modules it names. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>;

/**
 * Import cycles, each as its modules in order (`["a", "b"]` is a → b → a): for every module that lies on one
 * and in none told before it, the shortest. Empty exactly where the graph has no cycle.
 */
export function importCycles(graph: ImportGraph): string[][] {
  const told = new Set<string>();
  const cycles: string[][] = [];
  for (const start of graph.keys()) {
    if (told.has(start)) continue;
    const cycle = shortestCycle(graph, start);
    if (cycle === undefined) continue;
    cycles.push(cycle);
    for (const name of cycle) told.add(name);
  }
  return cycles;
}

/** The shortest way from `start` back to itself by breadth-first search. */
function shortestCycle(graph: ImportGraph, start: string): string[] | undefined {
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (const name of queue) {
    for (const next of graph.get(name) ?? []) {
      if (next === start) return wayTo(cameFrom, name);
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, name);
      queue.push(next);
    }
  }
  return undefined;
}

function wayTo(cameFrom: ReadonlyMap<string, string>, end: string): string[] {
  const way: string[] = [];
  for (let at: string | undefined = end; at !== undefined; at = cameFrom.get(at)) way.unshift(at);
  return way;
}
