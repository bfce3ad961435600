# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "Third Party",
    "version": "19.0.1.0.0",
    "summary": "An addon of somebody else, with tests of its jobs",
    "author": "Queue Job maintainers",
    "website": "https://github.com/queue-job/queue",
    "license": "LGPL-3",
    "category": "Hidden",
    "depends": ["queue_job"],
}
