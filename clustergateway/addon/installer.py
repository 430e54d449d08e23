"""The gateway in the hosting cluster: installed, kept as configured, taken away again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

from twisted.logger import Logger

from ..errors import AlreadyExists, ConfigurationError, Conflict, GatewayError, Invalid
from ..model.addon import (
    ADDON,
    CONFIGURATIONS,
    FINALIZER,
    AddOnTypes,
    Configuration,
    addon_types,
    configuration_names,
    deleting,
    deployment_config_name,
    in_force,
    parse_configuration,
)
from ..model.addoncluster import covers, stamped
from ..model.addonconditions import Condition, Status, condition_of
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
    arguments,
    around,
    copy_of_secret,
    deployment,
)
from ..model.addonplacement import ANYWHERE, Placement, parse_placement
from ..model.addonrollout import stuck, unfinished
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

    _log = Logger()

    def __init__(
        self,
        hub: Hub,
        types: AddOnTypes,
        removal: Removal,
        watch: Callable[[Configuration | None], None],
        follow: Callable[[Configuration | None], None],
    ) -> None:
        """
        @param watch: told which configuration is being installed, C{None} for none.
        @param follow: told which one the gateway runs with, C{None} for none: managed clusters are treated by it.
        """
        self._hub = hub
        self._types = types
        self._removal = removal
        self._watch = watch
        self._follow = follow
        self._certificates = Certificates(hub)
        self._logged = ""

    async def reconcile(self) -> float:
        """
        @return: seconds until the next look.
        @raise GatewayError: it did not work; the configuration says why, and it is to be tried again.
        """
        addon = await self._hub.find(self._types.cluster_addons, ADDON)
        contents = (await self._hub.client.list(CONFIGURATIONS))[0]
        names = () if addon is None else await self._names(addon, contents)
        named = [each for each in contents if [each["metadata"]["name"]] == [*names]]
        if _ending(addon, named, contents):
            await self._leave(addon, contents)
            return RESYNC
        running = _in_force([*named, *contents])
        self._follow(running)
        if addon is None or deleting(addon) or not named or deleting(named[0]):
            await self._stay(contents, _nothing_named(addon, names, bool(named)))
            return RESYNC
        self._logged = ""
        await self._hub.hold(self._types.cluster_addons, addon, FINALIZER)
        content = await self._hub.hold(CONFIGURATIONS, named[0], FINALIZER)
        try:
            return await self._install(addon, content, running)
        except Refused as error:
            await self._say(content, Condition(DEPLOYED, "False", error.cause, error.message))
            return RESYNC
        except Conflict:
            raise  # somebody was faster: no cause of failure, only of another look
        except GatewayError as error:
            await self._say(content, Condition(DEPLOYED, "False", error.reason, error.message))
            raise

    async def _names(self, addon: Object, contents: Sequence[Object]) -> tuple[str, ...]:
        """As L{configuration_names}; where v1beta1 shows none it is v1alpha1's, or the one that is in force."""
        names = configuration_names(addon)
        former = addon_types("v1alpha1").cluster_addons
        if not names and self._types.cluster_addons != former:
            before = await self._hub.find(former, ADDON)
            running = _in_force(contents)
            if before is not None:
                names = configuration_names(before)
            elif running is not None:
                names = (running.name,)
        return names or (ADDON,)

    async def _stay(self, contents: Sequence[Object], condition: Condition) -> None:
        """Change nothing, and say everywhere why."""
        if condition.message != self._logged:
            self._log.warn("nothing is installed or removed: {why}", why=condition.message)
            self._logged = condition.message
        for each in contents:
            if not deleting(each):
                await self._hub.say(CONFIGURATIONS, each, [condition])

    # Install.

    async def _install(self, addon: Object, content: Object, before: Configuration | None) -> float:
        """@param before: what has been in force."""
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
        if await self._taken_up(configuration, before):
            await self._put_in_force(content, configuration)
            await self._removal.prune(configuration, made, known_namespaces(content))
            await self._release_others(configuration, made)
            await self._report(configuration, used)
        else:
            await self._report(configuration, known_namespaces(content))
        return min(seconds, RESYNC)

    async def _taken_up(self, configuration: Configuration, before: Configuration | None) -> bool:
        """Does every gateway that answers run with this configuration, as far as it makes a difference to it?"""
        if before is None:
            return True  # none that could be disturbed
        same = before.install_namespace == configuration.install_namespace
        if same and arguments(before) == arguments(configuration):
            return True
        return not unfinished(await self._hub.client.get(DEPLOYMENTS, DEPLOYMENT, configuration.install_namespace))

    async def _put_in_force(self, content: Object, configuration: Configuration) -> None:
        """What is in force is kept in the status, for whoever leads next: the spec may be ahead of it."""
        if in_force(content) != configuration:
            force = {"generation": configuration.generation, "spec": content["spec"]}
            await self._hub.say(CONFIGURATIONS, content, (), inForce=force)
        self._follow(configuration)

    async def _read(self, addon: Object, content: Object) -> tuple[Configuration, Placement]:
        try:
            configuration = parse_configuration(content)
        except ConfigurationError as error:
            raise Refused("InvalidConfiguration", error.message) from None
        self._watch(configuration)
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

    async def _report(self, configuration: Configuration, used: list[str]) -> None:
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
                message = f"the ClusterManagementAddOn names {configuration.name}"
                await self._release(each, [Condition(DEPLOYED, "False", "NotInForce", message)])

    async def _release(self, content: Object, conditions: Sequence[Condition]) -> None:
        """Nothing is there by this configuration any more."""
        if not deleting(content):
            await self._hub.say(CONFIGURATIONS, content, conditions, namespaces=[], inForce={})
        fresh = await self._hub.find(CONFIGURATIONS, content["metadata"]["name"])
        if fresh is not None:
            await self._hub.let_go(CONFIGURATIONS, fresh, FINALIZER)

    # Leave.

    async def _leave(self, addon: Object | None, contents: Sequence[Object]) -> None:
        """Take everything away; only then may what is being deleted go."""
        self._follow(None)
        self._watch(None)
        await self._removal.everything(chain.from_iterable(map(known_namespaces, contents)))
        conditions = [_nothing_named(addon, (), False)] if addon is None or deleting(addon) else []
        # What is being deleted last: it is what says that this is to be done.
        if addon is not None and not deleting(addon):
            await self._hub.let_go(self._types.cluster_addons, addon, FINALIZER)
        for each in sorted(contents, key=deleting):
            await self._release(each, conditions)
        if addon is not None and deleting(addon):
            await self._hub.let_go(self._types.cluster_addons, addon, FINALIZER)


def _held(content: Mapping[str, Any]) -> bool:
    return FINALIZER in (content["metadata"].get("finalizers") or ())


def _ending(addon: Object | None, named: Sequence[Object], contents: Sequence[Object]) -> bool:
    """
    Is everything to be taken away? Only when somebody has deleted what we hold: that something is not there, or not
    under this name, may be a mistake that costs no more than putting it right.
    """
    held = [each for each in contents if _held(each)]
    if addon is not None and deleting(addon):
        return bool(held) or _held(addon)
    if named and (not deleting(named[0]) or _held(named[0])):
        return deleting(named[0])
    return bool(held) and all(map(deleting, held))


def _nothing_named(addon: Object | None, names: tuple[str, ...], there: bool) -> Condition:
    """Why no configuration is to be installed; C{there}: it is, but is being deleted."""
    kept = "; what is installed stays as it is"
    if addon is None or deleting(addon):
        gone = "is not there" if addon is None else "is being deleted"
        message = f"the ClusterManagementAddOn {gone}; without it nothing is installed"
        return Condition(DEPLOYED, "False", "ClusterManagementAddOnMissing", message)
    if len(names) > 1:
        message = f"the ClusterManagementAddOn names both {' and '.join(names)}{kept}"
        return Condition(DEPLOYED, "False", "ConfigurationAmbiguous", message)
    gone = "is being deleted" if there else "is not there"
    message = f"the ClusterManagementAddOn names ClusterGatewayConfiguration {names[0]}, which {gone}{kept}"
    return Condition(DEPLOYED, "False", "ConfigurationMissing", message)


def _in_force(contents: Sequence[Object]) -> Configuration | None:
    """By the first that says so of those that we hold."""
    return next(filter(None, (in_force(each) for each in contents if _held(each))), None)


def availability(running: Mapping[str, Any] | None, service: Mapping[str, Any] | None) -> Condition:
    """Whether the gateway answers, as it is configured: its Deployment has such replicas, and the hub reaches them."""
    problem = stuck(running or {})
    if problem:
        return Condition(AVAILABLE, "False", "RolloutStuck", f"Deployment: {problem}")
    for what, content in (("Deployment", running), ("APIService", service)):
        found = condition_of(content or {}, AVAILABLE)
        if found.get("status") != "True":
            said = str(found.get("message") or "it is not known to be available")
            status: Status = "False" if found.get("status") == "False" else "Unknown"
            return Condition(AVAILABLE, status, f"{what}NotAvailable", f"{what}: {said}")
    left = unfinished(running or {})
    if left:
        return Condition(AVAILABLE, "Unknown", "RollingOut", f"the gateway answers, but {left}")
    return Condition(AVAILABLE, "True", "GatewayAvailable", "the hub reaches the gateway")


def known_namespaces(content: Mapping[str, Any]) -> list[str]:
    """In which there may be something of ours, by the status of a ClusterGatewayConfiguration."""
    status = content.get("status")
    known = status.get("namespaces") if isinstance(status, Mapping) else None
    return sorted(str(each) for each in known) if isinstance(known, list) else []
