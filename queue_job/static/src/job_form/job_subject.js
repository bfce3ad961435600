import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {standardFieldProps} from "@web/views/fields/standard_field_props";

import {Component} from "@odoo/owl";

/** The records on which a job works, each with a link. */
export class JobSubject extends Component {
    static template = "queue_job.JobSubject";
    static props = {...standardFieldProps};

    setup() {
        this.action = useService("action");
    }

    get subject() {
        return this.props.record.data[this.props.name] || null;
    }

    get more() {
        const {count, records} = this.subject;
        return count > records.length ? _t("and %s more", count - records.length) : "";
    }

    open({id}) {
        return this.action.doAction({
            type: "ir.actions.act_window",
            res_model: this.subject.model,
            res_id: id,
            views: [[false, "form"]],
        });
    }
}

registry.category("fields").add("queue_job_subject", {
    component: JobSubject,
    displayName: _t("Records of a job"),
    supportedTypes: ["json"],
});
