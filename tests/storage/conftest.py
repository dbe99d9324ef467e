"""Fixtures of the storage tests."""

import pytest

# The contract is shipped with the package, so pytest would not explain its assertions by itself.
pytest.register_assert_rewrite(
    "taskqueue.testing.contract",
    "taskqueue.testing.contract_cancel",
    "taskqueue.testing.contract_transactions",
    "taskqueue.testing.contract_keys",
    "taskqueue.testing.contract_operation",
)
