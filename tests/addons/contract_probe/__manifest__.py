# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "Job Queue: an addon as others write them",
    "summary": "Uses all that the job queue offers to other addons",
    "version": "19.0.1.0.0",
    "author": "Queue Job maintainers",
    "website": "https://github.com/queue-job/queue",
    "license": "LGPL-3",
    "category": "Hidden",
    "depends": ["queue_job"],
    "data": [
        "security/ir.model.access.csv",
        "data/queue_job_data.xml",
        "views/queue_job_views.xml",
    ],
}
