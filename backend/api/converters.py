"""Ids in paths."""

from werkzeug.routing import BaseConverter


class IdConverter(BaseConverter):
    """`<id:key_id>`: an id as we write it, in one spelling. Everything else is a 404.

    18 digits stay within PostgreSQL's bigint, and are more than an id ever has. Said by the expression alone: a number
    that `to_python` refused would be a 405 where the path also takes another method.
    """

    regex = "[1-9][0-9]{0,17}"

    def to_python(self, value: str) -> int:
        return int(value)
