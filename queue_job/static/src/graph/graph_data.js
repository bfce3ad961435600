/**
 * The data of a job graph, made fit for drawing. Pure functions, without the DOM.
 *
 * A graph is `{nodes: [{id, name, state, kind}], edges: [[parent id, child id]]}`. What
 * is drawn has nodes `{key, ids, name, state, kind}`, where several `ids` stand for jobs
 * which are repetitions of each other, and edges between keys.
 *
 * - `collapse` merges repeated siblings: same method, same state, same place.
 * - `nearest` keeps what is close to one node, when there is still too much.
 * - `arrange` has dagre compute the layout.
 */

/** Graphs up to this size are drawn as they are. */
export const COLLAPSE_FROM = 24;
/** Fewer repetitions than this are drawn one by one. */
export const MIN_GROUP = 3;
/** What a person can still read, and dagre can lay out at once. */
export const MAX_NODES = 150;
export const MAX_EDGES = 400;

export const NODE_WIDTH = 190;
export const NODE_HEIGHT = 46;
const RANK_GAP = 56;
const NODE_GAP = 14;

/** Rounds in which places are compared; each one looks a step further away. */
const MAX_ROUNDS = 8;

function neighbours(nodes, edges) {
    const parents = new Map(nodes.map((node) => [node.id, []]));
    const children = new Map(nodes.map((node) => [node.id, []]));
    for (const [parent, child] of edges) {
        if (parents.has(child) && children.has(parent)) {
            parents.get(child).push(parent);
            children.get(parent).push(child);
        }
    }
    return {parents, children};
}

/** Return the length of the longest way from a root to each node. */
export function depths(nodes, edges) {
    const {parents, children} = neighbours(nodes, edges);
    const missing = new Map(nodes.map(({id}) => [id, parents.get(id).length]));
    const depth = new Map(nodes.map(({id}) => [id, 0]));
    const ready = nodes.filter(({id}) => !missing.get(id)).map(({id}) => id);
    for (let i = 0; i < ready.length; i++) {
        for (const child of children.get(ready[i])) {
            depth.set(child, Math.max(depth.get(child), depth.get(ready[i]) + 1));
            missing.set(child, missing.get(child) - 1);
            if (!missing.get(child)) {
                ready.push(child);
            }
        }
    }
    return depth;
}

/** Return [map id -> small number, how many]: equal keys get the same number. */
function classify(nodes, keyOf) {
    const numbers = new Map();
    const classes = new Map();
    for (const node of nodes) {
        const key = keyOf(node);
        if (!numbers.has(key)) {
            numbers.set(key, numbers.size);
        }
        classes.set(node.id, numbers.get(key));
    }
    return [classes, numbers.size];
}

/**
 * Return the class of each node; nodes of a class are repetitions of each other.
 *
 * Classes begin with method, state and depth and are split until all members have
 * parents and children of the same classes. As only nodes of the same depth share a
 * class, there is no cycle between classes, however early this stops.
 */
function repetitions({nodes, edges}, keepId) {
    const {parents, children} = neighbours(nodes, edges);
    const depth = depths(nodes, edges);
    const around = (classes, ids) =>
        [...new Set(ids.map((id) => classes.get(id)))].sort((a, b) => a - b).join(",");
    let [classes, count] = classify(nodes, (node) =>
        [node.id === keepId, node.kind, node.state, depth.get(node.id)].join("|")
    );
    for (let round = 0; round < MAX_ROUNDS; round++) {
        const previous = classes;
        const [finer, finerCount] = classify(nodes, ({id}) =>
            [
                previous.get(id),
                around(previous, parents.get(id)),
                around(previous, children.get(id)),
            ].join("|")
        );
        classes = finer;
        if (finerCount === count) {
            break;
        }
        count = finerCount;
    }
    return classes;
}

const single = (node) => ({...node, key: `${node.id}`, ids: [node.id]});

/** Return the edges between the drawn nodes, each one once. */
function edgesBetween(drawn, edges) {
    const keys = new Map();
    for (const node of drawn) {
        node.ids.forEach((id) => keys.set(id, node.key));
    }
    const found = new Map();
    for (const [parent, child] of edges) {
        const [from, to] = [keys.get(parent), keys.get(child)];
        if (from && to && from !== to) {
            found.set(`${from} ${to}`, [from, to]);
        }
    }
    return [...found.values()];
}

/**
 * Merge repeated siblings of a large graph.
 *
 * @param {{nodes: Object[], edges: number[][]}} graph
 * @param {number} [keepId] this job is always drawn on its own
 */
export function collapse(graph, keepId) {
    if (graph.nodes.length <= COLLAPSE_FROM) {
        const nodes = graph.nodes.map(single);
        return {nodes, edges: edgesBetween(nodes, graph.edges)};
    }
    const groups = new Map();
    const classes = repetitions(graph, keepId);
    for (const node of graph.nodes) {
        const members = groups.get(classes.get(node.id)) || [];
        members.push(node);
        groups.set(classes.get(node.id), members);
    }
    const nodes = [...groups.values()].flatMap((members) =>
        members.length < MIN_GROUP
            ? members.map(single)
            : [
                  {
                      ...members[0],
                      key: `group_${members[0].id}`,
                      ids: members.map((member) => member.id),
                  },
              ]
    );
    return {nodes, edges: edgesBetween(nodes, graph.edges)};
}

/**
 * Keep the drawn nodes which are nearest to a job, in both directions.
 *
 * @returns {{nodes: Object[], edges: string[][], hidden: number}} with the number of jobs
 *  that are left out
 */
export function nearest(
    {nodes, edges},
    centerId,
    max = MAX_NODES,
    maxEdges = MAX_EDGES
) {
    if (nodes.length <= max && edges.length <= maxEdges) {
        return {nodes, edges, hidden: 0};
    }
    const {parents, children} = neighbours(
        nodes.map(({key}) => ({id: key})),
        edges
    );
    const center = nodes.find(({ids}) => ids.includes(centerId)) || nodes[0];
    const kept = new Set([center.key]);
    let edgeCount = 0;
    for (const key of kept) {
        for (const next of [...parents.get(key), ...children.get(key)]) {
            if (kept.has(next) || kept.size >= max) {
                continue;
            }
            const around = [...parents.get(next), ...children.get(next)];
            const added = around.filter((other) => kept.has(other)).length;
            if (edgeCount + added <= maxEdges) {
                kept.add(next);
                edgeCount += added;
            }
        }
    }
    const count = (list) => list.reduce((sum, node) => sum + node.ids.length, 0);
    const shown = nodes.filter(({key}) => kept.has(key));
    return {
        nodes: shown,
        edges: edges.filter(([from, to]) => kept.has(from) && kept.has(to)),
        hidden: count(nodes) - count(shown),
    };
}

/** Whether the graph is better read from left to right than from top to bottom. */
function isHorizontal(nodes, edges) {
    const depth = depths(
        nodes.map(({key}) => ({id: key})),
        edges
    );
    const ranks = new Map();
    for (const rank of depth.values()) {
        ranks.set(rank, (ranks.get(rank) || 0) + 1);
    }
    const breadth = Math.max(0, ...ranks.values());
    const scale = (width, height) => Math.min(1, 1000 / width, 520 / height);
    const across = scale(
        ranks.size * (NODE_WIDTH + RANK_GAP),
        breadth * (NODE_HEIGHT + NODE_GAP)
    );
    const down = scale(
        breadth * (NODE_WIDTH + NODE_GAP),
        ranks.size * (NODE_HEIGHT + RANK_GAP)
    );
    return across >= down;
}

/** Return the SVG path through some points, with soft corners. */
export function pathThrough(points) {
    const [first, ...rest] = points;
    let path = `M${first.x},${first.y}`;
    rest.forEach((point, i) => {
        const next = rest[i + 1];
        path += next
            ? `Q${point.x},${point.y} ${(point.x + next.x) / 2},${(point.y + next.y) / 2}`
            : `L${point.x},${point.y}`;
    });
    return path;
}

/**
 * Compute where everything goes.
 *
 * @param {Object} dagre the library
 * @param {{nodes: Object[], edges: string[][]}} drawn
 * @returns {{nodes: Object[], edges: Object[], width: number, height: number}}
 */
export function arrange(dagre, {nodes, edges}) {
    const graph = new dagre.graphlib.Graph();
    graph.setGraph({
        rankdir: isHorizontal(nodes, edges) ? "LR" : "TB",
        ranksep: RANK_GAP,
        nodesep: NODE_GAP,
        marginx: 8,
        marginy: 8,
    });
    graph.setDefaultEdgeLabel(() => ({}));
    for (const {key} of nodes) {
        graph.setNode(key, {width: NODE_WIDTH, height: NODE_HEIGHT});
    }
    for (const [from, to] of edges) {
        graph.setEdge(from, to);
    }
    dagre.layout(graph);
    const {width, height} = graph.graph();
    return {
        width,
        height,
        nodes: nodes.map((node) => {
            const {x, y} = graph.node(node.key);
            return {...node, x: x - NODE_WIDTH / 2, y: y - NODE_HEIGHT / 2};
        }),
        edges: edges.map(([from, to]) => ({
            key: `${from}-${to}`,
            from,
            to,
            path: pathThrough(graph.edge(from, to).points),
        })),
    };
}
