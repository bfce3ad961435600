# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "Job Events",
    "version": "19.0.1.0.0",
    "summary": "Writes the events of jobs into a file, for the tests",
    "author": "Queue Job maintainers",
    "website": "https://github.com/queue-job/queue",
    "license": "LGPL-3",
    "category": "Hidden",
    "depends": ["queue_job"],
}
