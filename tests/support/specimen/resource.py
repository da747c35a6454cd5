"""Its declaration, as it would stand in backend/resources.py."""

from backend.models.roles_plans_scopes import Plan
from backend.resources import AtErasure, Owned, Quota
from tests.support.specimen.model import Specimen

SPECIMENS = Owned(
    model=Specimen,
    at_erasure=AtErasure.DELETE,
    order="specimen_id",
    quota=Quota(name="specimens", limits={Plan.FREE: 2, Plan.PRO: 20, Plan.ENTERPRISE: None}),
)
