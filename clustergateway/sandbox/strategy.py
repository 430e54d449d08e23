"""What of a write counts, and what is refused before it is looked at any closer."""

from __future__ import annotations

from dataclasses import dataclass, field

from .kinds import Kind
from .objects import Object, copied, dig, metadata
from .status import bad_request, conflict


@dataclass(frozen=True, slots=True)
class Options:
    """
    How to write.

    @ivar manager: the field manager.
    @ivar strictness: C{Strict}, C{Warn} or C{Ignore} unknown fields.
    @ivar warnings: filled with what the client is to be warned of.
    """

    manager: str = "sandbox"
    dry_run: bool = False
    strictness: str = "Ignore"
    force: bool = False
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Deletion:
    """
    How to delete.

    @ivar grace: seconds, C{None} for the kind's default.
    @ivar policy: C{Background}, C{Foreground} or C{Orphan}.
    """

    uid: str = ""
    resource_version: str = ""
    grace: int | None = None
    policy: str = "Background"
    dry_run: bool = False


def steady(entries: list[Object], before: Object) -> list[Object]:
    """Keep the time of an entry that says the same as before: applying the same again changes nothing."""
    old = {_untimed(entry): entry for entry in metadata(before).get("managedFields") or ()}
    return [old.get(_untimed(entry), entry) for entry in entries]


def _untimed(entry: Object) -> str:
    return str(sorted((key, str(value)) for key, value in entry.items() if key != "time"))


def check_identity(kind: Kind, namespace: str, given: Object) -> None:
    """
    @raise ApiError: 400, the object says that it is of another kind or namespace than the path.
    """
    api_version, name = given.get("apiVersion") or kind.api_version, given.get("kind") or kind.kind
    if name != kind.kind or api_version != kind.api_version:
        if kind.custom and api_version == kind.api_version:
            raise bad_request(f"the kind in the data ({name}) does not match the expected kind ({kind.kind})")
        version = api_version.rpartition("/")[2]
        if api_version != kind.api_version:
            where = 'in scheme "pkg/api/legacyscheme/scheme.go:30"'
            why = f'no kind "{name}" is registered for version "{api_version}" {where}'
            if kind.custom:
                wanted = f"the expected API version ({kind.api_version})"
                raise bad_request(f"the API version in the data ({api_version}) does not match {wanted}")
        else:
            why = (
                f"converting (v1.{name}) to ({kind.group.partition('.')[0] or 'core'}.{kind.kind}): unknown conversion"
            )
        raise bad_request(f'{name} in version "{version}" cannot be handled as a {kind.kind}: {why}')
    inside = dig(given, "metadata", "namespace") or ""
    if namespace and inside and inside != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def check_name(given: Object, name: str) -> None:
    """
    Give an object that has no name the one of the path.

    @raise ApiError: 400, it has another one.
    """
    own = dig(given, "metadata", "name") or ""
    if own and own != name:
        raise bad_request(f"the name of the object ({own}) does not match the name on the URL ({name})")
    metadata(given)["name"] = name


def without_claims(given: Object) -> None:
    """A client that sends back what it read does not thereby own it: the store's own record is the true one."""
    metadata(given).pop("managedFields", None)


def complain(kind: Kind, options: Options, unknown: list[str]) -> None:
    """
    Say which fields are unknown, as strictly as was asked.

    @raise ApiError: 400, very strictly.
    """
    said = [f'unknown field "{path}"' for path in unknown]
    if options.strictness == "Strict" and said:
        what = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
        raise bad_request(f"{what}strict decoding error: {', '.join(said)}")
    if options.strictness == "Warn":
        options.warnings.extend(said)


def scoped(kind: Kind, before: Object, wanted: Object, sub: str) -> Object:
    """What of a write counts: all but the status, or only the status."""
    if sub == "status":
        return {**copied(before), "status": wanted.get("status") or {}, "metadata": copied(metadata(before))}
    if not kind.has_status:
        return wanted
    obj = {key: value for key, value in wanted.items() if key != "status"}
    if "status" in before:
        obj["status"] = copied(before["status"])
    return obj


def specified(obj: Object) -> Object:
    """What C{metadata.generation} counts the changes of."""
    return {key: value for key, value in obj.items() if key not in ("metadata", "status", "apiVersion", "kind")}


def held(kind: Kind, obj: Object) -> bool:
    """Does something still have to happen before the object may go?"""
    if metadata(obj).get("finalizers"):
        return True
    return (kind.group, kind.resource) == ("", "namespaces") and bool(dig(obj, "spec", "finalizers"))


def check_preconditions(kind: Kind, found: Object, deletion: Deletion) -> None:
    """
    @raise ApiError: 409, the object is not the one that was meant.
    """
    meta = metadata(found)
    why = ""
    if deletion.uid and deletion.uid != meta["uid"]:
        why = f"the UID in the precondition ({deletion.uid}) does not match the UID in record ({meta['uid']})"
        why += ". The object might have been deleted and then recreated"
    elif deletion.resource_version and deletion.resource_version != meta["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({deletion.resource_version}) does not match the ResourceVersion"
        )
        why += f" in record ({meta['resourceVersion']}). The object might have been modified"
    if why:
        raise conflict(kind.kind, kind.group, meta["name"], why)
