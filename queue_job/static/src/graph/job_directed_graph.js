import {loadBundle} from "@web/core/assets";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {standardFieldProps} from "@web/views/fields/standard_field_props";
import {FINAL_STATES, JOB_STATES, stateLabel} from "../core/job_states";
import {usePolling} from "../core/polling";
import {arrange, collapse, nearest, NODE_HEIGHT, NODE_WIDTH} from "./graph_data";

import {
    Component,
    onWillStart,
    onWillUpdateProps,
    useEffect,
    useRef,
    useState,
} from "@odoo/owl";

const ZOOM_STEP = 1.25;
const ZOOM_RANGE = [0.2, 2];
/** A graph is not made smaller than this to fit: it could not be read any more. */
const READABLE_ZOOM = 0.6;

/**
 * Draws the graph to which a job belongs; a click opens another job of it.
 *
 * Jobs are real buttons: Tab enters the graph at the current job, the arrow keys walk
 * along the edges and between siblings, Enter opens. Repetitions of a job in a large
 * graph are one stacked node, which opens their list. The picture follows the jobs as
 * long as one of them can still move.
 */
export class JobDirectedGraph extends Component {
    static template = "queue_job.JobDirectedGraph";
    static props = {...standardFieldProps};

    setup() {
        this.action = useService("action");
        this.orm = useService("orm");
        this.root = useRef("root");
        this.size = {width: NODE_WIDTH, height: NODE_HEIGHT};
        this.state = useState({zoom: 1, focus: null, drawing: null, graph: null});
        onWillStart(async () => {
            await loadBundle("queue_job.dagre_lib");
            this.draw(this.props);
        });
        onWillUpdateProps((props) => this.draw(props));
        useEffect(
            () => this.fit(),
            () => [this.state.drawing.width, this.state.drawing.height]
        );
        useEffect(
            () => this.centered && this.showCurrent(),
            () => [this.state.zoom, this.state.drawing]
        );
        usePolling(() => this.refresh());
    }

    // -- data --------------------------------------------------------------------------

    draw(props, graph = props.record.data[props.name]) {
        const data = {nodes: graph?.nodes || [], edges: graph?.edges || []};
        const fingerprint = JSON.stringify(data);
        if (fingerprint === this.fingerprint) {
            return;
        }
        this.fingerprint = fingerprint;
        const center = props.record.resId;
        const {nodes, edges, hidden} = nearest(collapse(data, center), center);
        this.state.graph = data;
        this.state.drawing = {...arrange(window.dagre, {nodes, edges}), hidden};
        this.state.focus =
            nodes.find(({ids}) => ids.includes(center))?.key ?? nodes[0]?.key;
    }

    async refresh() {
        const moving = ({state}) => !FINAL_STATES.includes(state);
        const {record, name} = this.props;
        if (!record.resId || !this.state.graph?.nodes.some(moving)) {
            return;
        }
        const [values] = await this.orm.silent.read(
            record.resModel,
            [record.resId],
            [name]
        );
        if (values) {
            this.draw(this.props, values[name]);
        }
    }

    // -- what the template shows -------------------------------------------------------

    get legend() {
        const counts = {};
        for (const {state} of this.state.graph.nodes) {
            counts[state] = (counts[state] || 0) + 1;
        }
        return Object.keys(JOB_STATES)
            .filter((state) => counts[state])
            .map((state) => ({state, text: `${stateLabel(state)} ${counts[state]}`}));
    }

    get summary() {
        return _t("Dependency graph with %(jobs)s jobs and %(edges)s dependencies", {
            jobs: this.state.graph.nodes.length,
            edges: this.state.graph.edges.length,
        });
    }

    icon(node) {
        return JOB_STATES[node.state]?.icon || "fa-circle-o";
    }

    label(node) {
        return node.ids.length > 1
            ? `${node.ids.length} × ${node.kind || node.name}`
            : node.name;
    }

    stateLabel(node) {
        return stateLabel(node.state);
    }

    description(node) {
        const {edges} = this.state.drawing;
        return _t(
            "%(name)s: %(state)s. Waits for %(parents)s, %(children)s wait for it.",
            {
                name: this.label(node),
                state: stateLabel(node.state),
                parents: edges.filter(({to}) => to === node.key).length,
                children: edges.filter(({from}) => from === node.key).length,
            }
        );
    }

    isCurrent(node) {
        return node.ids.includes(this.props.record.resId);
    }

    // -- events ------------------------------------------------------------------------

    zoom(factor) {
        this.centered = false; // the user looks at something else
        const [min, max] = ZOOM_RANGE;
        this.state.zoom = Math.min(max, Math.max(min, this.state.zoom * factor));
    }

    zoomIn() {
        this.zoom(ZOOM_STEP);
    }

    zoomOut() {
        this.zoom(1 / ZOOM_STEP);
    }

    /** As much as can be read, around the job that is open. */
    fit() {
        const canvas = this.canvas;
        if (canvas) {
            const scale = canvas.clientWidth / this.state.drawing.width;
            this.state.zoom = Math.min(1, Math.max(READABLE_ZOOM, scale));
            this.centered = true;
            this.showCurrent();
        }
    }

    get canvas() {
        return this.root.el.querySelector(".o_job_graph_canvas");
    }

    /** Scroll to the job that is open. */
    showCurrent() {
        const canvas = this.canvas;
        const current = canvas?.querySelector(".o_job_graph_current");
        if (current) {
            const [inner, outer] = [current, canvas].map((element) =>
                element.getBoundingClientRect()
            );
            canvas.scrollLeft +=
                inner.left + inner.width / 2 - outer.left - outer.width / 2;
            canvas.scrollTop +=
                inner.top + inner.height / 2 - outer.top - outer.height / 2;
        }
    }

    async open(node) {
        if (this.isCurrent(node)) {
            return;
        }
        const model = this.props.record.resModel;
        if (node.ids.length === 1) {
            const args = [[node.ids[0]]];
            return this.action.doAction(
                await this.orm.call(model, "get_formview_action", args)
            );
        }
        return this.action.doAction({
            type: "ir.actions.act_window",
            name: this.label(node),
            res_model: model,
            views: [
                [false, "list"],
                [false, "form"],
            ],
            domain: [["id", "in", node.ids]],
        });
    }

    onKeydown(ev, node) {
        const next = this.neighbour(node, ev.key);
        if (next) {
            ev.preventDefault();
            this.state.focus = next.key;
            this.root.el.querySelector(`[data-key="${next.key}"]`).focus();
        }
    }

    /** Return the closest node in the direction of an arrow key. */
    neighbour(node, key) {
        const direction = {
            ArrowRight: ["x", "y", 1],
            ArrowLeft: ["x", "y", -1],
            ArrowDown: ["y", "x", 1],
            ArrowUp: ["y", "x", -1],
        }[key];
        if (!direction) {
            return null;
        }
        const [along, across, sign] = direction;
        const ahead = this.state.drawing.nodes.filter(
            (other) => (other[along] - node[along]) * sign > 1
        );
        const cost = (other) =>
            Math.abs(other[along] - node[along]) +
            2 * Math.abs(other[across] - node[across]);
        return ahead.sort((a, b) => cost(a) - cost(b))[0];
    }
}

export const jobDirectedGraph = {
    component: JobDirectedGraph,
    displayName: _t("Job graph"),
};

registry.category("fields").add("job_directed_graph", jobDirectedGraph);
