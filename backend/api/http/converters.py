"""Ids in paths."""

from werkzeug.routing import BaseConverter

from backend.models.ids import ID


class IdConverter(BaseConverter):
    """`<id:key_id>`: an id as we write it, in one spelling. Everything else is a 404.

    Said by the expression alone: a number that `to_python` refused would be a 405 where the path also takes another
    method.
    """

    regex = ID

    def to_python(self, value: str) -> int:
        return int(value)
