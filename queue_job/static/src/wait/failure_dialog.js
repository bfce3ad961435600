/** Says that the job failed for which the user has waited. */

import {Component} from "@odoo/owl";
import {Dialog} from "@web/core/dialog/dialog";
import {useService} from "@web/core/utils/hooks";
import {openJob} from "./wait_dialog";

export class FailureDialog extends Component {
    static template = "queue_job.FailureDialog";
    static components = {Dialog};
    static props = {close: Function, job: Object};

    setup() {
        this.action = useService("action");
    }

    onOpen() {
        this.props.close();
        return openJob(this.action, this.props.job.id);
    }
}
