from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.addonrollout import stuck, unfinished


def deployment(*conditions: dict[str, str], **status: Any) -> dict[str, Any]:
    """Rolled out, but for C{status}."""
    done = {"observedGeneration": 4, "replicas": 3, "updatedReplicas": 3}
    return {
        "metadata": {"generation": 4},
        "spec": {"replicas": 3},
        "status": {**done, "conditions": [*conditions], **status},
    }


DEADLINE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "too slow"}
QUOTA = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota"}
PAUSED = {"type": "Progressing", "status": "False", "reason": "DeploymentPaused"}


class RolloutTests(SynchronousTestCase):
    def test_unfinished(self) -> None:
        for content, said in (
            (deployment(), ""),
            (deployment(availableReplicas=2), ""),
            (deployment(observedGeneration=3), "not been looked at"),
            (deployment(updatedReplicas=1), "1 of 3"),
            (deployment(replicas=4), "1 replicas are still"),
            ({**deployment(), "spec": {"replicas": 0}, "status": {"observedGeneration": 4}}, ""),
            ({**deployment(), "status": "nonsense"}, "not been looked at"),
            ({}, "not been looked at"),
        ):
            found = unfinished(content)
            self.assertIn(said, found)
            self.assertEqual(bool(found), bool(said), content)

    def test_stuck(self) -> None:
        for content, said in (
            (deployment(), ""),
            (deployment(DEADLINE), "ProgressDeadlineExceeded: too slow"),
            (deployment(QUOTA), "FailedCreate: quota"),
            (deployment(PAUSED), ""),
            (deployment(DEADLINE, observedGeneration=3), ""),
            ({}, ""),
        ):
            self.assertEqual(stuck(content), said)
