/** What a Python traceback says, for whoever is no programmer. Pure functions. */

/** The folders and files of this addon: a checkout may have its name, too. */
const OWN_FOLDERS =
    "claim|cli|controllers|core|declarations|enqueue|jobrunner|keys|models|progress" +
    "|sessions|settle|storage|wizards|worker";
const OWN = new RegExp(
    `/queue_job/(?:(?:job|delay|fields|utils|exception)\\.py$|(?:${OWN_FOLDERS})/)`
);
/** Odoo itself; its addons, but for the framework's, are the business of the reader. */
const CORE =
    /\/odoo\/(?:addons\/(?:base|web|mail)\/|orm\/|api|http|service|sql_db|models|tools)/;

const FRAME = /^\s+File "(.*?)", line \d+/;
const BEGIN = /^Traceback \(most recent call last\)/;

/** Whether a file belongs to the queue or to Odoo's framework. */
export function isCore(path) {
    return OWN.test(path) || CORE.test(path);
}

/**
 * Return a Python traceback as lines, each with what it is: "file", "code", or "error"
 * for what happened, and whether it belongs to a frame of the framework.
 */
export function tracebackLines(text) {
    let core = false;
    return (text || "")
        .trimEnd()
        .split("\n")
        .map((line) => {
            const file = line.match(FRAME);
            if (file) {
                core = isCore(file[1]);
                return {line, kind: "file", core};
            }
            if (/^\s/.test(line) || !line) {
                return {line, kind: "code", core};
            }
            const kind = BEGIN.test(line) ? "code" : "error";
            return {line, kind, core: false};
        });
}

/**
 * Return a traceback in parts: `{head: bool, frames, lines}`.
 *
 * A head are the first frames of a traceback as long as they belong to the framework:
 * they only say that a worker ran the job. The frames after it, which may lead into the
 * framework again, tell what the job did. A traceback that never leaves the framework
 * has no head: nothing else would be left.
 *
 * @param {string} text one traceback, or a chain of them
 */
export function tracebackParts(text) {
    const parts = [];
    for (const block of blocks(tracebackLines(text))) {
        const [begin, ...rest] = BEGIN.test(block[0].line) ? block : [null, ...block];
        const first = rest.findIndex(({core, kind}) => !core || kind === "error");
        const leaves = first > 0 && rest[first].kind === "file";
        const head = begin && leaves ? rest.slice(0, first) : [];
        if (begin) {
            parts.push({head: false, frames: 0, lines: [begin]});
        }
        if (head.length) {
            const frames = head.filter(({kind}) => kind === "file").length;
            parts.push({head: true, frames, lines: head});
        }
        parts.push({head: false, frames: 0, lines: rest.slice(head.length)});
    }
    return parts.filter(({lines}) => lines.length);
}

/** Split lines before each "Traceback". */
function blocks(lines) {
    const found = [];
    for (const line of lines) {
        if (!found.length || BEGIN.test(line.line)) {
            found.push([]);
        }
        found.at(-1).push(line);
    }
    return found;
}
