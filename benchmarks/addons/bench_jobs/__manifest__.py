# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
{
    "name": "Queue job benchmark methods",
    "summary": "The methods which the benchmark delays, by the public API alone",
    "version": "19.0.1.0.0",
    "author": "Queue Job contributors",
    "license": "LGPL-3",
    "category": "Hidden",
    "depends": ["queue_job"],
    "data": ["security/ir.model.access.csv"],
}
