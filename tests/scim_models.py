"""scim2_models, without the descriptions that pydantic would look up in its source: that takes longer than all else."""

from unittest import mock

from pydantic._internal import _fields

with mock.patch.object(_fields, "_update_fields_from_docstrings"):
    from scim2_models import BulkRequest, EnterpriseUser, Extension, User

__all__ = ["BulkRequest", "EnterpriseUser", "Extension", "User"]
