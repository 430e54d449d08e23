"""The gateway in the hosting cluster: installed, kept as configured, taken away again."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from ..errors import AlreadyExists, ConfigurationError, Conflict, GatewayError, Invalid
from ..model.addon import (
    ADDON,
    CONFIGURATIONS,
    FINALIZER,
    AddOnTypes,
    Configuration,
    configuration_name,
    deleting,
    deployment_config_name,
    parse_configuration,
)
from ..model.addoncluster import covers, stamped
from ..model.addonconditions import Condition, condition_of
from ..model.addonobjects import (
    API_SERVICE,
    API_SERVICES,
    DEPLOYMENT,
    DEPLOYMENTS,
    NAMESPACES,
    PROXY_CA_COPY,
    PROXY_CLIENT_COPY,
    SELECTOR,
    Wanted,
    api_service,
    around,
    copy_of_secret,
    deployment,
)
from ..model.addonplacement import ANYWHERE, Placement, parse_placement
from ..model.resourcetype import SECRETS
from .certificates import Certificates
from .hub import RESYNC, Hub, Object, owner_of
from .removal import Removal

DEPLOYED = "ClusterGatewayDeployed"
AVAILABLE = "Available"


class Refused(ConfigurationError):
    """What is configured cannot be done; trying again does not help before it is changed. Its C{cause} is short."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause


class Installer:
    """
    Everything is worked out anew from what the hub has, each time: it does not matter how far the last one got.
    """

    def __init__(self, hub: Hub, types: AddOnTypes, removal: Removal) -> None:
        self._hub = hub
        self._types = types
        self._removal = removal
        self._certificates = Certificates(hub)

    async def reconcile(self) -> float:
        """
        @return: seconds until the next look.
        @raise GatewayError: it did not work; the configuration says why, and it is to be tried again.
        """
        addon = await self._hub.find(self._types.cluster_addons, ADDON)
        content = None if addon is None else await self._hub.find(CONFIGURATIONS, configuration_name(addon))
        if addon is None or content is None or deleting(addon) or deleting(content):
            await self._leave(addon)
            return RESYNC
        await self._hub.hold(self._types.cluster_addons, addon, FINALIZER)
        content = await self._hub.hold(CONFIGURATIONS, content, FINALIZER)
        try:
            return await self._install(addon, content)
        except Refused as error:
            await self._say(content, Condition(DEPLOYED, "False", error.cause, error.message))
            return RESYNC
        except Conflict:
            raise  # somebody was faster: no cause of failure, only of another look
        except GatewayError as error:
            await self._say(content, Condition(DEPLOYED, "False", error.reason, error.message))
            raise

    # Install.

    async def _install(self, addon: Object, content: Object) -> float:
        configuration, placement = await self._read(addon, content)
        owner = owner_of(self._types.cluster_addons, addon)
        used = [configuration.install_namespace, configuration.secret_namespace]
        content = await self._remember(content, used)
        for namespace in dict.fromkeys(used):
            await self._namespace(namespace)
        made = list(around(configuration))
        for wanted in made:
            await self._apply(wanted, owner)
        await self._copy_proxy_secrets(configuration, owner)
        authority = await self._certificates.signer()
        await self._apply(api_service(configuration, authority.bundle), owner)
        seconds = await self._certificates.serving(authority, configuration.install_namespace, owner)
        await self._clear_way(configuration.install_namespace)
        made.append(deployment(configuration, placement))
        await self._apply(made[-1], owner)
        await self._removal.prune(configuration, made, known_namespaces(content))
        await self._release_others(configuration, made)
        await self._report(content, configuration, used)
        return min(seconds, RESYNC)

    async def _read(self, addon: Object, content: Object) -> tuple[Configuration, Placement]:
        try:
            configuration = parse_configuration(content)
        except ConfigurationError as error:
            raise Refused("InvalidConfiguration", error.message) from None
        reference = deployment_config_name(addon)
        if reference is None:
            return configuration, ANYWHERE
        config = await self._hub.find(self._types.deployment_configs, reference[1], reference[0])
        if config is None:
            raise Refused("DeploymentConfigMissing", f"there is no AddOnDeploymentConfig {'/'.join(reference)}")
        try:
            placement = parse_placement(config)
        except ConfigurationError as error:
            raise Refused("InvalidDeploymentConfig", error.message) from None
        return configuration, placement

    async def _namespace(self, name: str) -> None:
        """A namespace is made where there is none, and never taken away: others' Secrets may be in it."""
        if await self._hub.find(NAMESPACES, name) is None:
            try:
                await self._hub.client.create(NAMESPACES, {"metadata": {"name": name}})
            except AlreadyExists:
                pass

    async def _apply(self, wanted: Wanted, owner: Object) -> None:
        kind, content = wanted
        metadata = {**content["metadata"], "ownerReferences": [owner]}
        content = stamped({**content, "metadata": metadata})
        present = await self._hub.find(kind, metadata["name"], metadata.get("namespace", ""))
        if covers(present, content):
            return
        try:
            await self._hub.apply(kind, content)
        except Invalid:
            # What cannot be changed in place, for instance a roleRef, is made anew.
            if present is None:
                raise
            await self._hub.delete(kind, present)
            await self._hub.apply(kind, content)

    async def _clear_way(self, namespace: str) -> None:
        """A Deployment of this name with another selector is another's; applied over, it would be a mixture."""
        present = await self._hub.find(DEPLOYMENTS, DEPLOYMENT, namespace)
        if present is not None and present["spec"].get("selector", {}).get("matchLabels") != SELECTOR:
            await self._hub.delete(DEPLOYMENTS, present)

    async def _copy_proxy_secrets(self, configuration: Configuration, owner: Object) -> None:
        egress = configuration.egress
        if egress is None:
            return
        for name, copy in ((egress.client_secret, PROXY_CLIENT_COPY), (egress.ca_secret, PROXY_CA_COPY)):
            secret = await self._hub.find(SECRETS, name, egress.namespace)
            if secret is None:
                raise Refused("ProxySecretMissing", f"there is no Secret {egress.namespace}/{name}")
            data = secret.get("data")
            wanted = copy_of_secret(copy, configuration.install_namespace, "Opaque", data or {})
            if not covers(await self._hub.find(SECRETS, copy, configuration.install_namespace), wanted):
                await self._hub.apply(SECRETS, wanted, owner)

    async def _remember(self, content: Object, used: list[str]) -> Object:
        """Before anything is made in a namespace the status names it: so it is found when another is configured."""
        known = known_namespaces(content)
        wanted = sorted({*known, *used})
        if wanted == known:
            return content
        await self._hub.say(CONFIGURATIONS, content, (), namespaces=wanted)
        return await self._hub.client.get(CONFIGURATIONS, content["metadata"]["name"])

    async def _report(self, content: Object, configuration: Configuration, used: list[str]) -> None:
        running = await self._hub.find(DEPLOYMENTS, DEPLOYMENT, configuration.install_namespace)
        service = await self._hub.find(API_SERVICES, API_SERVICE)
        message = f"generation {configuration.generation} is applied"
        conditions = [Condition(DEPLOYED, "True", "Deployed", message), availability(running, service)]
        content = await self._hub.client.get(CONFIGURATIONS, configuration.name)
        generation = int(content["metadata"].get("generation") or 0)
        if generation != configuration.generation:
            return  # the new one is looked at next
        namespaces = sorted(set(used))
        await self._hub.say(
            CONFIGURATIONS, content, conditions, namespaces=namespaces, lastObservedGeneration=generation
        )

    async def _say(self, content: Object, condition: Condition) -> None:
        try:
            fresh = await self._hub.find(CONFIGURATIONS, content["metadata"]["name"])
            if fresh is not None:
                await self._hub.say(CONFIGURATIONS, fresh, [condition])
        except GatewayError:
            pass  # what went wrong before is what is reported

    async def _release_others(self, configuration: Configuration, made: list[Wanted]) -> None:
        """A configuration that is not the add-on's any more keeps nothing, and may go."""
        for each in (await self._hub.client.list(CONFIGURATIONS))[0]:
            if each["metadata"]["name"] != configuration.name and _held(each):
                await self._removal.prune(configuration, made, known_namespaces(each))
                await self._hub.let_go(CONFIGURATIONS, each, FINALIZER)

    # Leave.

    async def _leave(self, addon: Object | None) -> None:
        """
        Take everything away; only then may what is being deleted go. What is not being deleted says why it is not
        installed.
        """
        contents = (await self._hub.client.list(CONFIGURATIONS))[0]
        if any(_held(each) for each in (*contents, *([addon] if addon else ()))):
            await self._removal.everything(chain.from_iterable(map(known_namespaces, contents)))
        gone = "is being deleted" if addon is not None else "is not there"
        message = f"the ClusterManagementAddOn {gone}; without it nothing is installed"
        condition = Condition(DEPLOYED, "False", "ClusterManagementAddOnMissing", message)
        for each in contents:
            if not deleting(each) and (addon is None or deleting(addon)):
                await self._hub.say(CONFIGURATIONS, each, [condition], namespaces=[])
            fresh = await self._hub.find(CONFIGURATIONS, each["metadata"]["name"])
            if fresh is not None:
                await self._hub.let_go(CONFIGURATIONS, fresh, FINALIZER)
        if addon is not None:
            await self._hub.let_go(self._types.cluster_addons, addon, FINALIZER)


def _held(content: Mapping[str, Any]) -> bool:
    return FINALIZER in (content["metadata"].get("finalizers") or ())


def availability(running: Mapping[str, Any] | None, service: Mapping[str, Any] | None) -> Condition:
    """Whether the gateway answers: its Deployment has replicas, and the hub reaches them."""
    for what, content in (("Deployment", running), ("APIService", service)):
        found = condition_of(content or {}, AVAILABLE)
        if found.get("status") != "True":
            said = str(found.get("message") or "it is not known to be available")
            status = "False" if found.get("status") == "False" else "Unknown"
            return Condition(AVAILABLE, status, f"{what}NotAvailable", f"{what}: {said}")  # type: ignore[arg-type]
    return Condition(AVAILABLE, "True", "GatewayAvailable", "the hub reaches the gateway")


def known_namespaces(content: Mapping[str, Any]) -> list[str]:
    """In which there may be something of ours, by the status of a ClusterGatewayConfiguration."""
    status = content.get("status")
    known = status.get("namespaces") if isinstance(status, Mapping) else None
    return sorted(str(each) for each in known) if isinstance(known, list) else []
