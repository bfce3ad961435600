/**
 * The widget `job_progress`: a bar which moves while the job runs.
 *
 * - on a number: the percentage; the uuid of the job is in another field of the view
 *   (option `uuid_field`, default "uuid"). So it is on jobs themselves, form and list.
 * - on a text: the field holds the uuid of a job, on the form of any record; the widget
 *   asks for the job by itself.
 *
 *     <field name="progress" widget="job_progress"/>
 *     <field name="import_job_uuid" widget="job_progress"/>
 */

import {Component, onWillUnmount, onMounted, useState} from "@odoo/owl";
import {_t} from "@web/core/l10n/translation";
import {registry} from "@web/core/registry";
import {useService} from "@web/core/utils/hooks";
import {useRecordObserver} from "@web/model/relational_model/utils";
import {standardFieldProps} from "@web/views/fields/standard_field_props";
import {stateLabel} from "@queue_job/core/job_states";
import {JobProgressBar} from "./progress_bar";
import {JobWatcher} from "./job_watcher";

export class JobProgressField extends Component {
    static template = "queue_job.ProgressField";
    static components = {JobProgressBar};
    static props = {
        ...standardFieldProps,
        uuidField: {type: String, optional: true},
        messageField: {type: String, optional: true},
    };
    static defaultProps = {uuidField: "uuid"};

    setup() {
        this.services = {
            orm: useService("orm"),
            bus_service: useService("bus_service"),
        };
        this.state = useState({percent: null, message: null, state: null});
        this.holdsUuid = this.props.record.fields[this.props.name].type === "char";
        if (this.holdsUuid) {
            this.watchUuid();
        } else {
            this.showValue();
        }
    }

    /** The field holds the uuid: follow that job. */
    watchUuid() {
        useRecordObserver((record) => {
            const uuid = record.data[this.props.name];
            if (uuid !== this.watcher?.uuid) {
                this.watcher?.stop();
                Object.assign(this.state, {percent: null, message: null, state: null});
                this.watcher = uuid ? this.watch(uuid) : null;
            }
        });
        onWillUnmount(() => this.watcher?.stop());
    }

    watch(uuid) {
        const onUpdate = ({percent, message, state}) =>
            Object.assign(this.state, {percent, message, state});
        const watcher = new JobWatcher(this.services, uuid, {onUpdate});
        watcher.start();
        return watcher;
    }

    /** The field holds the percentage; messages about the job overtake it. */
    showValue() {
        useRecordObserver((record) => {
            const {name, messageField} = this.props;
            this.state.percent = record.data[name] || null;
            this.state.message = messageField ? record.data[messageField] : null;
            this.state.state = record.data.state ?? null;
        });
        const onProgress = ({uuid, percent, message}) => {
            if (uuid === this.props.record.data[this.props.uuidField]) {
                Object.assign(this.state, {percent, message, state: "started"});
            }
        };
        const bus = this.services.bus_service;
        onMounted(() => bus.subscribe("queue_job.progress.progress", onProgress));
        onWillUnmount(() => bus.unsubscribe("queue_job.progress.progress", onProgress));
    }

    get message() {
        return this.holdsUuid || this.props.messageField ? this.state.message : null;
    }

    get shown() {
        const {percent, state} = this.state;
        return this.holdsUuid ? state === "started" : typeof percent === "number";
    }

    /** What is written instead of a bar. */
    get label() {
        const {state} = this.state;
        return this.holdsUuid && state && state !== "unknown" ? stateLabel(state) : "";
    }
}

export const jobProgressField = {
    component: JobProgressField,
    displayName: _t("Job Progress"),
    supportedTypes: ["float", "integer", "char"],
    supportedOptions: [
        {
            label: _t("Field with the UUID of the job"),
            name: "uuid_field",
            type: "field",
        },
        {label: _t("Field with the message"), name: "message_field", type: "field"},
    ],
    fieldDependencies: ({type, options}) => {
        if (type === "char") {
            return [];
        }
        const names = [options.uuid_field || "uuid", options.message_field];
        return names
            .filter(Boolean)
            .map((name) => ({name, type: "char", readonly: true}));
    },
    extractProps: ({options}) => ({
        uuidField: options.uuid_field || "uuid",
        messageField: options.message_field,
    }),
};

registry.category("fields").add("job_progress", jobProgressField);
