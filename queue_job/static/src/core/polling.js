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
 * @param {number | (() => number)} [interval] milliseconds
 * @returns {{soon: (wait: number) => void}} `soon` brings the next call forward: to so
 *  many milliseconds after the last one, but not to where a slow call has to rest
 */
export function usePolling(callback, interval = POLL_INTERVAL) {
    const intervalNow = typeof interval === "function" ? interval : () => interval;
    let timer = null;
    let busy = false;
    let mounted = false;
    let last = 0; // the end of the last call
    let rest = 0; // how long it needs to rest
    let wish = null; // the pause that was asked for by `soon`

    function schedule() {
        browser.clearTimeout(timer);
        if (mounted && !busy && !document.hidden) {
            const pause = Math.max(wish ?? intervalNow(), rest);
            timer = browser.setTimeout(run, Math.max(last + pause - Date.now(), 0));
        }
    }
    async function run() {
        if (busy) {
            return;
        }
        busy = true;
        wish = null;
        const start = Date.now();
        try {
            await callback();
            rest = SLOWNESS * (Date.now() - start);
        } catch {
            rest = Math.min(Math.max(rest, intervalNow()) * 2, MAX_PAUSE);
        } finally {
            busy = false;
            last = Date.now();
            schedule();
        }
    }

    onMounted(() => {
        mounted = true;
        last = Date.now();
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
    return {
        soon(wait) {
            wish = Math.min(wish ?? wait, wait);
            schedule();
        },
    };
}
