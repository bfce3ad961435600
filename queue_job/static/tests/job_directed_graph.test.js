import {describe, expect, test} from "@odoo/hoot";
import {queryAll, queryAllTexts, queryFirst} from "@odoo/hoot-dom";
import {animationFrame} from "@odoo/hoot-mock";
import {
    collapse,
    COLLAPSE_FROM,
    depths,
    MAX_NODES,
    nearest,
    pathThrough,
} from "@queue_job/graph/graph_data";
import {
    contains,
    defineModels,
    fields,
    mockService,
    models,
    mountView,
    onRpc,
    preloadBundle,
} from "@web/../tests/web_test_helpers";
import {defineMailModels} from "@mail/../tests/mail_test_helpers";

const range = (count) => [...Array(count).keys()];
const node = (id, state = "done", kind = "<shop.file>.read") => ({
    id,
    state,
    kind,
    name: `Job ${id}`,
});

/** One parent, many children, one last job. */
function fan(count, stateOf = () => "done") {
    return {
        nodes: [
            node(1),
            ...range(count).map((i) => node(i + 2, stateOf(i))),
            node(count + 2),
        ],
        edges: range(count).flatMap((i) => [
            [1, i + 2],
            [i + 2, count + 2],
        ]),
    };
}

describe("data of the graph", () => {
    describe.current.tags("headless");

    test("a small graph is drawn as it is", () => {
        const {nodes, edges} = collapse(fan(8));
        expect(nodes.map(({key}) => key)).toEqual(range(10).map((i) => `${i + 1}`));
        expect(edges).toHaveLength(16);
    });

    test("repeated siblings of a large graph are one node", () => {
        const {nodes, edges} = collapse(fan(2000));
        expect(nodes.map(({ids}) => ids.length)).toEqual([1, 2000, 1]);
        expect(edges).toHaveLength(2);
    });

    test("siblings in different states stay apart, and so does the job that is open", () => {
        const {nodes} = collapse(
            fan(100, (i) => (i % 2 ? "failed" : "done")),
            7
        );
        const sizes = nodes.map(({ids, state}) => `${state} ${ids.length}`).sort();
        expect(sizes).toEqual(["done 1", "done 1", "done 50", "failed 1", "failed 49"]);
        expect(nodes.find(({ids}) => ids.includes(7)).ids).toEqual([7]);
    });

    test("parallel chains collapse link by link", () => {
        const chains = range(50);
        const {nodes, edges} = collapse({
            nodes: chains.flatMap((i) => [
                node(3 * i),
                node(3 * i + 1),
                node(3 * i + 2),
            ]),
            edges: chains.flatMap((i) => [
                [3 * i, 3 * i + 1],
                [3 * i + 1, 3 * i + 2],
            ]),
        });
        expect(nodes.map(({ids}) => ids.length)).toEqual([50, 50, 50]);
        expect(edges).toHaveLength(2);
    });

    test("a chain is never folded into itself", () => {
        const length = COLLAPSE_FROM * 4;
        const {nodes, edges} = collapse({
            nodes: range(length).map((i) => node(i)),
            edges: range(length - 1).map((i) => [i, i + 1]),
        });
        expect(nodes).toHaveLength(length);
        expect(edges).toHaveLength(length - 1);
    });

    test("two of a kind are not worth a stack", () => {
        const graph = fan(30);
        graph.nodes[3].state = graph.nodes[4].state = "failed";
        const failed = collapse(graph).nodes.filter(({state}) => state === "failed");
        expect(failed.map(({ids}) => ids.length)).toEqual([1, 1]);
    });

    test("what is too large is cut around the job", () => {
        const chain = collapse({
            nodes: range(2000).map((i) => node(i)),
            edges: range(1999).map((i) => [i, i + 1]),
        });
        const {nodes, edges, hidden} = nearest(chain, 1000);
        expect(nodes).toHaveLength(MAX_NODES);
        expect(edges).toHaveLength(MAX_NODES - 1);
        expect(hidden).toBe(2000 - MAX_NODES);
        expect(nodes.some(({ids}) => ids.includes(1000))).toBe(true);
    });

    test("depth is the longest way, and cycles end", () => {
        const nodes = range(4).map((i) => node(i));
        const edges = [
            [0, 1],
            [1, 2],
            [0, 2],
        ];
        expect([...depths(nodes, edges).values()]).toEqual([0, 1, 2, 0]);
        expect([
            ...depths(nodes, [
                [0, 1],
                [1, 0],
            ]).values(),
        ]).toEqual([0, 0, 0, 0]);
    });

    test("edges are soft lines", () => {
        const points = [
            {x: 0, y: 0},
            {x: 10, y: 0},
            {x: 20, y: 10},
        ];
        expect(pathThrough(points)).toBe("M0,0Q10,0 15,5L20,10");
    });
});

describe("widget", () => {
    describe.current.tags("desktop");
    preloadBundle("queue_job.dagre_lib");

    class Job extends models.Model {
        _name = "queue.job";
        dependency_graph = fields.Json();
        _records = [{id: 2, dependency_graph: fan(2, () => "failed")}];
    }
    defineMailModels();
    defineModels([Job]);

    const open = () =>
        mountView({
            type: "form",
            resModel: "queue.job",
            resId: 2,
            arch: `<form><field name="dependency_graph" widget="job_directed_graph"/></form>`,
        });

    test("shows jobs, edges and a legend", async () => {
        await open();
        expect(".o_job_graph_node").toHaveCount(4);
        expect(".o_job_graph_edge").toHaveCount(4);
        expect(".o_job_graph_node.o_job_state_failed").toHaveCount(2);
        expect(queryAllTexts(".o_job_graph_legend li")).toEqual(["Done 2", "Failed 2"]);
        expect(".o_job_graph_current").toHaveAttribute("data-key", "2");
        expect(".o_job_graph_current").toHaveAttribute(
            "aria-label",
            "Job 2: Failed. Waits for 1, 1 wait for it."
        );
    });

    test("a click opens another job, not the one that is open", async () => {
        onRpc("get_formview_action", ({args}) => ({opened: args[0]}));
        mockService("action", {
            doAction({opened}) {
                expect.step(`open ${opened}`);
            },
        });
        await open();
        await contains("[data-key='2']").click();
        await contains("[data-key='3']").click();
        expect.verifySteps(["open 3"]);
    });

    test("a stack opens the list of its jobs", async () => {
        Job._records[0].dependency_graph = fan(40);
        mockService("action", {
            doAction(action) {
                expect.step(`${action.res_model} ${action.domain[0][2].length}`);
            },
        });
        await open();
        expect(".o_job_graph_group").toHaveText(/39 × <shop.file>.read/);
        await contains(".o_job_graph_group").click();
        expect.verifySteps(["queue.job 39"]);
    });

    test("the arrow keys walk through the graph", async () => {
        await open();
        expect(queryAll("[tabindex='0'].o_job_graph_node")).toHaveLength(1);
        queryFirst("[data-key='2']").focus();
        await contains("[data-key='2']").press("ArrowLeft");
        await animationFrame();
        expect("[data-key='1']").toBeFocused();
        expect("[data-key='1']").toHaveAttribute("tabindex", "0");
        await contains("[data-key='1']").press("ArrowLeft");
        expect("[data-key='1']").toBeFocused();
    });

    test("a large graph opens at the job that is open", async () => {
        const numbers = range(60).map((number) => number + 100);
        Job._records[0].dependency_graph = {
            nodes: [...numbers, 2].map((id) => node(id)),
            edges: [...numbers, 2].slice(1).map((id, i) => [numbers[i], id]),
        };
        await open();
        await animationFrame();
        const [canvas, current] = [".o_job_graph_canvas", ".o_job_graph_current"].map(
            (selector) => queryFirst(selector).getBoundingClientRect()
        );
        expect(current.left >= canvas.left).toBe(true);
        expect(current.right <= canvas.right).toBe(true);
    });

    test("a job without a graph says so", async () => {
        Job._records[0].dependency_graph = false;
        await open();
        expect(".o_job_graph_node").toHaveCount(0);
        expect(".o_job_graph").toHaveText("This job belongs to no graph.");
    });
});
