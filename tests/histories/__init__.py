"""What the application promises, as plain Python (`world`, `belongings`, `billing`), and the steps that hold it to
that.
"""

import pytest

STEPS = ("machine", "account_steps", "campaign_steps", "template_steps", "quota_steps")
# Their assertions tell both sides, as those of tests do.
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in STEPS))
