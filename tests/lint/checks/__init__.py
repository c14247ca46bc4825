"""The checks: each module has run(tree), which yields findings."""

from checks import (banned, beside, ceilings, dead, documents, formatting, headers, hygiene, layers,
                    manual, scripts, twins)

CHECKS = {
    "format": formatting.run,
    "layers": layers.run,
    "banned": banned.run,
    "ceilings": ceilings.run,
    "headers": headers.run,
    "dead": dead.run,
    "beside": beside.run,
    "hygiene": hygiene.run,
    "documents": documents.run,
    "manual": manual.run,
    "scripts": scripts.run,
    "twins": twins.run,
}
