# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "Job Queue: a second addon of the same kind",
    "summary": "Declares what the first one declares",
    "version": "19.0.1.0.0",
    "author": "Queue Job maintainers",
    "website": "https://github.com/queue-job/queue",
    "license": "LGPL-3",
    "category": "Hidden",
    "depends": ["queue_job"],
    "data": [
        "data/queue_job_data.xml",
    ],
}
