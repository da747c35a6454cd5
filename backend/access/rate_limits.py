"""Who a request is counted for, and what is said when it is one too many."""

from functools import cache
from http import HTTPStatus
from ipaddress import IPv6Address, ip_network
from typing import NamedTuple

from flask import g, request

from backend.access.identity import Identity
from backend.errors import AppError, ErrorCode
from backend.services.rate_limits.counters import WINDOW_SECONDS
from backend.services.rate_limits.limiter import RateLimiter
from backend.services.rate_limits.table import Group, amount

NETWORK_BITS = 64  # of IPv6: what one customer has at least, to invent addresses in


class Quota(NamedTuple):
    """`policy`: the header RateLimit-Policy."""

    amount: int
    policy: str


@cache
def _quota(group: Group, plan: str | None) -> Quota:
    limit = amount(group, plan)
    return Quota(limit, f'"{group}";q={limit};w={WINDOW_SECONDS}')


class RequestLimits:
    """Counts the request that is served. One an application. Without a limiter nothing is counted or refused."""

    def __init__(self, limiter: RateLimiter | None) -> None:
        self.limiter = limiter

    def spend(self, group: Group, identity: Identity | None, cost: int = 1) -> None:
        """Count for this user, whatever the credential, or for the client's address. With `cost` 0 only ask.

        Raises AppError (429) beyond the limit.
        """
        if self.limiter is None:
            return
        if identity is None:
            plan, who = None, _network(request.remote_addr or "")
        else:
            plan, who = identity.plan, str(identity.user_id)
        quota = _quota(group, plan)
        spent = self.limiter.hit(group, who, quota.amount, cost)
        g.rate_limit = f'"{group}";r={spent.remaining};t={max(0, round(spent.seconds))}', quota.policy
        if not spent.is_allowed:
            detail = f"Too many requests: {quota.amount} a minute are taken here. Wait a moment, then try again."
            raise AppError(ErrorCode.RATE_LIMITED, detail, retry_after=spent.seconds)

    def refuse(self, error: AppError) -> AppError:
        """The refusal of a credential: this one or, from an address that sends too many of them, the 429."""
        if error.code.status < HTTPStatus.INTERNAL_SERVER_ERROR and error.code is not ErrorCode.RATE_LIMITED:
            try:
                self.spend(Group.REFUSED, None)
            except AppError as limited:
                return limited
        return error


def _network(address: str) -> str:
    """What shares a limit with this address."""
    if ":" not in address:
        return address
    try:
        client = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(client.ipv4_mapped or ip_network((int(client) >> NETWORK_BITS << NETWORK_BITS, NETWORK_BITS)))
