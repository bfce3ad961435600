# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "Loop Faults",
    "version": "19.0.1.0.0",
    "summary": "Lets functions of the job runner raise, for the tests",
    "author": "Queue Job maintainers",
    "website": "https://github.com/queue-job/queue",
    "license": "LGPL-3",
    "category": "Hidden",
    "depends": ["queue_job"],
}
