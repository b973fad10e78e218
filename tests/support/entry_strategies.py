"""Values that the fields of a journal entry may have, whoever wrote it; for Hypothesis."""

import json

from hypothesis import strategies as st

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.integers(0, 255),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
# Often nearly right, so that the parser gets past its first lines.
MESSAGES = st.text().map("SLACK: {}".format) | st.binary().map(lambda raw: list(b"SLACK: " + raw)) | VALUES
NAMES = st.sampled_from(["SLACK", "OPS", "slack", ["SLACK"]]) | VALUES
DATA = VALUES.map(json.dumps) | VALUES
