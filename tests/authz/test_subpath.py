from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.authz.subpath import SubpathAuthorizer
from clustergateway.errors import HubUnavailable
from clustergateway.model.identity import Attributes, Decision, Identity
from clustergateway.model.requestinfo import parse_request_info

JANE = Identity("jane", ("ops",))
OUTER = Attributes("get", "cluster.core.oam.dev", "v1alpha1", "clustergateways", "proxy", name="east")


class Book:
    """Allows what is not in the book."""

    def __init__(self, *refused: tuple[str, str], later: bool = False) -> None:
        self.refused = refused
        self.later = later
        self.asked: list[Attributes] = []

    def authorize(self, who: Identity, what: Attributes) -> Decision | Deferred[Decision]:
        self.asked.append(what)
        no = (what.verb, what.subresource or what.resource or what.path) in self.refused
        decision = Decision(not no, "no" if no else "")
        return succeed(decision) if self.later else decision


class SubpathAuthorizerTests(SynchronousTestCase):
    def decide(self, book: Book, method: str, path: str, query: str = "", upgrade: bool = False) -> Decision:
        inner = parse_request_info(method, path, query)
        answer = SubpathAuthorizer(book, subpath=True).authorize_proxy(JANE, OUTER, inner, upgrade)
        return self.successResultOf(answer) if isinstance(answer, Deferred) else answer

    def inner_verbs(self, method: str, path: str, query: str = "", upgrade: bool = False) -> list[str]:
        found: list[list[str]] = []
        for later in (False, True):
            book = Book(later=later)
            self.assertTrue(self.decide(book, method, path, query, upgrade).allowed)
            self.assertEqual(book.asked[0], OUTER)
            found.append([each.verb for each in book.asked[1:]])
        self.assertEqual(found[0], found[1])
        return found[0]

    def test_without_subpath_only_entering_is_asked(self) -> None:
        book = Book()
        inner = parse_request_info("GET", "/api/v1/pods", "")
        SubpathAuthorizer(book, subpath=False).authorize_proxy(JANE, OUTER, inner, False)
        self.assertEqual(book.asked, [OUTER])

    def test_true_inner_verbs(self) -> None:
        pods = "/api/v1/namespaces/default/pods"
        for method, path, query, verbs in (
            ("GET", pods, "", ["list"]),
            ("GET", pods, "watch=true", ["watch"]),
            ("GET", pods + "/web", "", ["get"]),
            ("POST", pods, "", ["create"]),
            ("PUT", pods + "/web", "", ["update"]),
            ("PATCH", pods + "/web", "", ["patch"]),
            ("DELETE", pods + "/web", "", ["delete"]),
            ("DELETE", pods, "", ["deletecollection"]),
            ("GET", pods + "/web/log", "follow=true", ["get"]),
            ("GET", "/metrics", "", ["get"]),
        ):
            self.assertEqual(self.inner_verbs(method, path, query), verbs)

    def test_get_that_acts(self) -> None:
        for subresource in ("exec", "attach", "portforward"):
            path = f"/api/v1/namespaces/default/pods/web/{subresource}"
            self.assertEqual(self.inner_verbs("GET", path, upgrade=True), ["get", "create"])
            self.assertEqual(self.inner_verbs("POST", path, upgrade=True), ["create"])

    def test_encoded_slash_hides_nothing(self) -> None:
        self.assertEqual(self.inner_verbs("GET", "/api/v1/namespaces/default/pods/web%2Fexec"), ["get", "create"])

    def test_inner_attributes(self) -> None:
        book = Book()
        self.decide(book, "GET", "/apis/apps/v1/namespaces/default/deployments/web/scale")
        self.assertEqual(book.asked[1], Attributes("get", "apps", "v1", "deployments", "scale", "default", "web"))

    def test_refusals_end_it(self) -> None:
        path = "/api/v1/namespaces/default/pods/web/exec"
        for later in (False, True):
            for refused, asked in ((("get", "proxy"), 1), (("get", "exec"), 2), (("create", "exec"), 3)):
                book = Book(refused, later=later)
                self.assertEqual(self.decide(book, "GET", path), Decision(False, "no"))
                self.assertEqual(len(book.asked), asked)

    def test_answers_at_once_when_all_is_known(self) -> None:
        inner = parse_request_info("GET", "/api/v1/pods", "")
        answer = SubpathAuthorizer(Book(), subpath=True).authorize_proxy(JANE, OUTER, inner, False)
        self.assertEqual(answer, Decision(True))

    def test_masters(self) -> None:
        book = Book()
        inner = parse_request_info("GET", "/api/v1/pods", "")
        root = replace(JANE, groups=("system:masters",))
        SubpathAuthorizer(book, subpath=True).authorize_proxy(root, OUTER, inner, False)
        self.assertEqual(len(book.asked), 1)

    def test_nobody_can_tell(self) -> None:
        class Away(Book):
            def authorize(self, who: Identity, what: Attributes) -> Decision | Deferred[Decision]:
                return fail(HubUnavailable("away")) if what is not OUTER else Decision(True)

        inner = parse_request_info("GET", "/api/v1/pods", "")
        answer = SubpathAuthorizer(Away(), subpath=True).authorize_proxy(JANE, OUTER, inner, False)
        assert isinstance(answer, Deferred)
        self.failureResultOf(answer, HubUnavailable)
