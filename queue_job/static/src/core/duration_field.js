import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {standardFieldProps} from "@web/views/fields/standard_field_props";
import {formatDuration} from "./durations";

import {Component, xml} from "@odoo/owl";

/** Seconds in words. */
export class DurationField extends Component {
    static template = xml`<span t-esc="text" />`;
    static props = {...standardFieldProps};

    get text() {
        return formatDuration(this.props.record.data[this.props.name] || null);
    }
}

registry.category("fields").add("queue_job_duration", {
    component: DurationField,
    displayName: _t("Duration"),
    supportedTypes: ["float", "integer"],
});
