import {CopyButton} from "@web/core/copy_button/copy_button";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {formatInteger} from "@web/views/fields/formatters";
import {standardFieldProps} from "@web/views/fields/standard_field_props";
import {tracebackParts} from "./traceback_data";

import {Component, onWillUpdateProps, useState} from "@odoo/owl";

/** Context of a view that reads excerpts of long texts: see queue_job_texts.py. */
export const EXCERPTS = {queue_job_excerpts: true};

/**
 * A long text of a job: folded, and fetched whole when somebody wants it whole.
 */
export class JobText extends Component {
    static template = "queue_job.JobText";
    static props = {...standardFieldProps};

    setup() {
        this.orm = useService("orm");
        this.state = useState({whole: null});
        onWillUpdateProps(({record, name}) => {
            if (record.resId !== this.props.record.resId || name !== this.props.name) {
                this.state.whole = null;
            }
        });
    }

    get text() {
        return this.state.whole ?? (this.props.record.data[this.props.name] || "");
    }

    /** The characters of the whole text, where only an excerpt of it is here. */
    get missing() {
        const lengths = this.props.record.data.long_texts || {};
        return this.state.whole === null ? lengths[this.props.name] || 0 : 0;
    }

    get isFolded() {
        return this.state.whole === null;
    }

    get showAllLabel() {
        return _t("Show all %s characters", formatInteger(this.missing));
    }

    async showAll() {
        this.state.whole = await this.load();
    }

    load() {
        const {record, name} = this.props;
        return this.orm.call(record.resModel, "read_text", [[record.resId], name]);
    }
}

const longText = {
    component: JobText,
    supportedTypes: ["text", "char"],
    fieldDependencies: [{name: "long_texts", type: "json"}],
};

registry.category("fields").add("queue_job_text", {
    ...longText,
    displayName: _t("Long text of a job"),
});

/** A Python traceback: the frames of the framework step back, one click copies it. */
export class JobTraceback extends JobText {
    static template = "queue_job.JobTraceback";
    static components = {CopyButton};

    get parts() {
        return tracebackParts(this.text);
    }

    headLabel({frames}) {
        return _t(
            "%s frames of the job queue and Odoo, which only run the job",
            frames
        );
    }
}

registry.category("fields").add("queue_job_traceback", {
    ...longText,
    component: JobTraceback,
    displayName: _t("Traceback"),
});
