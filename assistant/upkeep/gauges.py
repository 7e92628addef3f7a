"""What `/metrics` says about the upkeep."""

from prometheus_client import CollectorRegistry, Gauge

from assistant.upkeep.service import Upkeep


class UpkeepGauges:
    """Made with the application; shows figures once a service is there."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lag = Gauge(
            "goalspace_space_summaries_lag_seconds",
            "Age of the oldest change that space_summaries does not show",
            registry=registry,
        )
        self._strays = Gauge(
            "goalspace_default_partition_rows",
            "Rows for which there was no month: more than none is an alarm",
            registry=registry,
        )

    def show(self, upkeep: Upkeep) -> None:
        self._lag.set_function(lambda: upkeep.summaries_lag)
        self._strays.set_function(lambda: upkeep.stray_rows)
