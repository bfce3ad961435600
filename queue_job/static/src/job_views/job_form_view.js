import {registry} from "@web/core/registry";
import {formView} from "@web/views/form/form_view";
import {FormController} from "@web/views/form/form_controller";
import {useJobNews} from "../core/job_news";
import {isOver} from "../job_form/job_story_data";
import {EXCERPTS} from "../job_form/job_texts";

/** The form of a job follows the job until it is over, unless somebody edits it. */
export class JobFormController extends FormController {
    setup() {
        super.setup();
        useJobNews(() => this.refresh());
    }

    /** Long texts come as excerpts; their widgets fetch the rest. */
    get modelParams() {
        const params = super.modelParams;
        const context = {...params.config.context, ...EXCERPTS};
        return {...params, config: {...params.config, context}};
    }

    async refresh() {
        const {root} = this.model;
        if (root.resId && !isOver(root.data) && !(await root.isDirty())) {
            await root.load();
        }
    }
}

registry
    .category("views")
    .add("queue_job_form", {...formView, Controller: JobFormController});
