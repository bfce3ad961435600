import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {formatInteger} from "@web/views/fields/formatters";
import {standardWidgetProps} from "@web/views/widgets/standard_widget_props";

import {Component, onWillStart, onWillUpdateProps, useState} from "@odoo/owl";

/** Longer texts are folded; of those that are longer still, only a part is here. */
const FOLD_FROM = 200;

/**
 * The records and arguments of a job: records are links, long values are folded.
 *
 * They are asked for when somebody looks at them, not with each form.
 */
export class JobArguments extends Component {
    static template = "queue_job.JobArguments";
    static props = {...standardWidgetProps};

    setup() {
        this.action = useService("action");
        this.orm = useService("orm");
        this.state = useState({values: []});
        onWillStart(() => this.load(this.props.record.resId));
        onWillUpdateProps(({record}) => {
            if (record.resId !== this.resId) {
                return this.load(record.resId);
            }
        });
    }

    async load(resId) {
        this.resId = resId;
        this.state.values = resId
            ? await this.orm.call("queue.job.dashboard", "get_arguments", [resId])
            : [];
    }

    isLong({text}) {
        return text.length > FOLD_FROM || text.split("\n").length > 6;
    }

    summary({text, length}) {
        const start = text.slice(0, 80).replace(/\s+/g, " ");
        return _t("%(start)s… (%(length)s characters)", {
            start,
            length: formatInteger(length),
        });
    }

    allLabel({count}) {
        return _t("all %s", count);
    }

    /** Fetch the rest of a value that somebody unfolds. */
    async loadWhole(value) {
        if (value.cut) {
            const args = [[this.resId], value.name];
            value.text = await this.orm.call("queue.job", "read_argument", args);
            value.cut = false;
        }
    }

    openRecord(model, id) {
        return this.action.doAction({
            type: "ir.actions.act_window",
            res_model: model,
            res_id: id,
            views: [[false, "form"]],
        });
    }

    openAll({model, label, ids}) {
        return this.action.doAction({
            type: "ir.actions.act_window",
            name: label,
            res_model: model,
            domain: [["id", "in", ids]],
            views: [
                [false, "list"],
                [false, "form"],
            ],
        });
    }
}

registry.category("view_widgets").add("queue_job_arguments", {component: JobArguments});
