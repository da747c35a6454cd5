"""What campaigns and templates are made of, in few words, so that they meet."""

from hypothesis import strategies as st

STATUSES = st.sampled_from(["draft", "active", "paused", "completed", "archived"])
TAGS = st.lists(st.sampled_from(["new", "vip", "été"]), unique=True, max_size=3)
# Names that differ in letter case only, and signs that LIKE takes for any other.
CAMPAIGN_NAMES = st.sampled_from(["Alpha", "alpha", "al%", "al_", "Beta", "Été"])
MEMBERS = {
    "name": CAMPAIGN_NAMES,
    "channel": st.sampled_from(["email", "sms"]),
    "tags": TAGS,
    "description": st.sampled_from([None, "two\nlines"]),
    "budget": st.sampled_from([None, {"amount_minor": 1, "currency": "EUR"}]),
}
WHOLE = {"name", "channel"}
PRESETS = st.fixed_dictionaries(
    {name: MEMBERS[name] for name in sorted(WHOLE)},
    optional={name: MEMBERS[name] for name in MEMBERS if name not in WHOLE},
)
SOME_MEMBERS = st.fixed_dictionaries({}, optional=MEMBERS)
CHANGES = st.fixed_dictionaries({}, optional={**MEMBERS, "status": STATUSES})
