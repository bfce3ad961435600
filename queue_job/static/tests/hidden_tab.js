import {animationFrame} from "@odoo/hoot-mock";
import {patchWithCleanup} from "@web/../tests/web_test_helpers";

/** Play a tab which the user hides or shows. */
export async function setHidden(hidden) {
    patchWithCleanup(document, {
        get hidden() {
            return hidden;
        },
    });
    document.dispatchEvent(new Event("visibilitychange"));
    await animationFrame();
}
