/** Repeats a call while somebody can see what it brings. */

import {browser} from "@web/core/browser/browser";
import {onMounted, onWillUnmount, useExternalListener} from "@odoo/owl";

/** Milliseconds between two calls. */
export const POLL_INTERVAL = 5000;
/** A slow call makes the pause longer: this many times as long as it took. */
const SLOWNESS = 10;
/** After errors the pause doubles, up to this. */
const MAX_PAUSE = 60000;

/**
 * Call an async function again and again, each time after the last call has ended.
 *
 * It rests while the browser tab is hidden, and calls at once when the tab comes back. An
 * error (the server restarts, say) makes the next pauses longer and is not shown.
 *
 * @param {() => Promise} callback
 * @param {number} [interval] milliseconds
 */
export function usePolling(callback, interval = POLL_INTERVAL) {
    let timer = null;
    let pause = interval;
    let busy = false;
    let mounted = false;

    function schedule() {
        browser.clearTimeout(timer);
        if (mounted && !document.hidden) {
            timer = browser.setTimeout(run, pause);
        }
    }
    async function run() {
        if (busy) {
            return;
        }
        busy = true;
        const start = Date.now();
        try {
            await callback();
            pause = Math.max(interval, SLOWNESS * (Date.now() - start));
        } catch {
            pause = Math.min(pause * 2, MAX_PAUSE);
        } finally {
            busy = false;
            schedule();
        }
    }

    onMounted(() => {
        mounted = true;
        schedule();
    });
    onWillUnmount(() => {
        mounted = false;
        browser.clearTimeout(timer);
    });
    useExternalListener(document, "visibilitychange", () => {
        if (document.hidden) {
            browser.clearTimeout(timer);
        } else {
            run();
        }
    });
}
