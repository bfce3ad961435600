import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {standardFieldProps} from "@web/views/fields/standard_field_props";

import {Component, xml} from "@odoo/owl";

/**
 * The place of a channel in the tree: its own name below that of its parent. Where the
 * list has another order than that of the tree, the whole path stands there.
 */
export class ChannelNameField extends Component {
    static template = xml`
        <span class="o_job_channel_name d-block text-truncate" t-att-title="path">
            <span t-attf-style="padding-inline-start: {{depth}}rem" t-esc="text" />
        </span>`;
    static props = {...standardFieldProps};

    get path() {
        return this.props.record.data[this.props.name] || "";
    }

    get isTree() {
        const {groupBy, orderBy} = this.props.record.model.root;
        return (
            !groupBy?.length &&
            (!orderBy?.length || orderBy[0].name === "complete_name")
        );
    }

    get parts() {
        return this.path.split(".");
    }

    get depth() {
        return this.isTree ? this.parts.length - 1 : 0;
    }

    get text() {
        return this.isTree ? this.parts.at(-1) : this.path;
    }
}

registry.category("fields").add("queue_job_channel_name", {
    component: ChannelNameField,
    displayName: _t("Channel in its tree"),
    supportedTypes: ["char"],
});
