"""Where requests are counted."""

from backend.services.doctor.finding import Finding, Subject, failed, off, ok


def check_rate_limits(subject: Subject) -> Finding:
    settings = subject.settings
    if settings.rate_limits == "off":
        return off("RATE_LIMITS is off: nobody is refused for too many requests")
    url = settings.redis_url.get_secret_value()
    if not url:
        return ok("each worker counts for itself: with several, REDIS_URL makes the limits exact")
    from backend.services.rate_limits.in_redis import InRedis  # noqa: PLC0415 - its libraries cost memory

    counter = InRedis(url)
    try:
        counter.hit("doctor", 1, 0)
    except counter.base_exceptions as error:
        # Not its text: it may hold the address, with the password.
        return failed(
            f"Redis cannot be used ({type(error).__name__}): each worker counts for itself",
            "See that Redis runs, and that REDIS_URL is right.",
        )
    return ok("counted in Redis, for all workers and nodes")
