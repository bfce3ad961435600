/** The states of a job as the web client shows them: label and icon. */

import {_t} from "@web/core/l10n/translation";

export const JOB_STATES = {
    wait_dependencies: {label: _t("Wait Dependencies"), icon: "fa-link"},
    pending: {label: _t("Pending"), icon: "fa-hourglass-start"},
    enqueued: {label: _t("Enqueued"), icon: "fa-sign-in"},
    started: {label: _t("Started"), icon: "fa-play"},
    done: {label: _t("Done"), icon: "fa-check"},
    cancelled: {label: _t("Cancelled"), icon: "fa-ban"},
    failed: {label: _t("Failed"), icon: "fa-times"},
};

/** States in which nothing happens any more unless a user asks for it. */
export const FINAL_STATES = ["done", "cancelled", "failed"];

export const stateLabel = (state) => String(JOB_STATES[state]?.label ?? state);
