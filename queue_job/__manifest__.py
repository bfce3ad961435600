# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "Job Queue",
    "summary": "Run any method of any model as a background job",
    "version": "19.0.3.0.0",
    "author": "Queue Job maintainers",
    "website": "https://github.com/queue-job/queue",
    "license": "LGPL-3",
    "category": "Generic Modules",
    "depends": ["mail", "base_sparse_field", "web"],
    "external_dependencies": {"python": ["requests"]},
    "data": [],
    "installable": True,
    "post_init_hook": "post_init_hook",
}
