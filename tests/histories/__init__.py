"""What the application promises, as plain Python (`world`, `belongings`, `billing`), and the steps that hold it to
that.

`resource_steps` fits any resource of a product: a machine of its own adds its rules.
"""

import pytest

STEPS = ("machine", "account_steps", "resource_steps", "specimen_steps")
# Their assertions tell both sides, as those of tests do.
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in STEPS))
