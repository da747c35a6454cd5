"""Campaigns and templates, as tests/histories has the rest."""

import pytest

STEPS = ("campaign_steps", "template_steps")
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in STEPS))
