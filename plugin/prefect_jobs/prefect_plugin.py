"""How Prefect finds prefect-jobs: this module is its entry point `prefect.plugins`, and `prefect plugins diagnose`
shows it. The hook runs before every Prefect command and worker, so it does next to nothing and changes nothing: what
prefect-jobs needs of Prefect's settings it sets for its own processes only."""

from prefect.plugins import HookContext, register_hook

from prefect_jobs import __version__

PREFECT_PLUGIN_API_REQUIRES = ">=0.1,<1"


@register_hook
def setup_environment(*, ctx: HookContext) -> None:
    """Note in Prefect's debug log that the plugin is there; change nothing."""
    logger = ctx.logger_factory("prefect_jobs")
    logger.debug("prefect-jobs %s is installed beside Prefect %s", __version__, ctx.prefect_version)
