"""Stack operations, as CloudFormation carries them out: deploy, roll back, delete, and what may go wrong on the way.

Owns the order of requests. An operation is a process; requests of several resources run at once, as far as nothing
depends on anything.
"""

from collections.abc import Callable
from functools import partial

from .clock import Signal
from .declared import Properties
from .operation_requests import Requests
from .operation_requests import Ways as Ways
from .resources import Resource, Template


class Operation(Requests):
    """One operation of one stack."""

    # --- deploying ------------------------------------------------------------------------------------------------

    def deploy(self, template: Template) -> None:
        """Create or update the stack."""
        stack, ways = self.stack, self.ways
        is_new = not stack.status
        self._template = template
        for resource in stack.resources.values():
            if stack.status.endswith("_COMPLETE"):
                resource.stable = (resource.physical_id, resource.properties)
                resource.stable_retain = resource.retain
        stack.reach("CREATE_IN_PROGRESS" if is_new else "UPDATE_IN_PROGRESS")
        self.is_well = True
        if ways.fails_after is not None and not ways.fails_last:
            self.world.clock.after(ways.fails_after, self._fail, "a neighbour failed")
        self.at_once([*self._changes(template)])
        if ways.fails_after is not None and ways.fails_last and self.is_well:
            if stack.root is not None:
                # A nested stack is done before its root is.
                stack.reach("CREATE_COMPLETE" if is_new else "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", stack.root.status)
                self.world.clock.sleep(self._random.random() * 30)
            self._fail("a neighbour failed")
        self._is_over = True
        if not self.world.weather.dated_urls:
            # Undated requests count in the order in which they reach the ledger: let the older one be there.
            self.world.clock.sleep(3.0)
        if self.is_well:
            self._succeed(template, is_new=is_new)
        elif not ways.rolls_back:
            stack.reach("CREATE_FAILED" if is_new else "UPDATE_FAILED")
        elif is_new:
            self._undo_creation()
        else:
            self.roll_back()

    _is_over = False
    is_well = True

    def _fail(self, reason: str) -> None:
        if self._is_over:
            return
        self.is_well = False
        self.reason = self.reason or reason
        self._cancel.set()

    def _changes(self, template: Template) -> list[Callable[[], None]]:
        jobs: list[Callable[[], None]] = []
        for logical_id, properties in template.resources.items():
            resource = self.stack.resources.get(logical_id)
            if resource is None or resource.status == "CREATE_FAILED":
                jobs.append(partial(self._create, logical_id, properties))
            elif resource.properties != properties or resource.status == "UPDATE_FAILED":
                jobs.append(partial(self._update, resource, properties))
        return jobs

    def _create(self, logical_id: str, properties: Properties) -> None:
        stack, failed = self.stack, self.stack.resources.get(logical_id)
        resource = stack.resources[logical_id] = Resource(logical_id, properties)
        resource.retain = self._template.retain.get(logical_id, "")
        if failed is not None:
            resource.former = [*failed.former, (failed.physical_id, failed.properties)]
        stack.note(resource, "", "CREATE_IN_PROGRESS")
        answer = self.await_answer(self.send("Create", resource, None, properties), may_be_cancelled=True)
        if answer is not None and answer["Status"] == "SUCCESS":
            resource.physical_id, resource.status = answer["PhysicalResourceId"], "CREATE_COMPLETE"
            stack.believe(logical_id, resource.physical_id, properties)
        else:
            made_up = f"{stack.name}-{logical_id}-{self._random.getrandbits(40):X}"
            resource.physical_id = answer["PhysicalResourceId"] if answer else made_up
            resource.status = "CREATE_FAILED"
            self._fail(answer["Reason"] if answer else "cancelled, or no answer")
        stack.note(resource, resource.physical_id, resource.status)

    def _update(self, resource: Resource, properties: Properties) -> None:
        stack = self.stack
        resource.status = "UPDATE_IN_PROGRESS"
        stack.note(resource, resource.physical_id, resource.status)
        request = self.send("Update", resource, resource.physical_id, properties, resource.properties)
        answer = self.await_answer(request, may_be_cancelled=True)
        if answer is not None and answer["Status"] == "SUCCESS":
            self._take_on(resource, answer["PhysicalResourceId"], properties)
        else:
            resource.status, resource.tried = "UPDATE_FAILED", properties
            self._fail(answer["Reason"] if answer else "cancelled, or no answer")
        stack.note(resource, resource.physical_id, resource.status)

    def _take_on(self, resource: Resource, physical_id: str, properties: Properties) -> None:
        if physical_id != resource.physical_id:
            resource.former = [one for one in resource.former if one[0] != physical_id]
            resource.former.append((resource.physical_id, resource.properties))
        resource.physical_id, resource.properties = physical_id, properties
        resource.status, resource.tried = "UPDATE_COMPLETE", None
        resource.retain = self._template.retain.get(resource.logical_id, "")
        self.stack.believe(resource.logical_id, physical_id, properties)

    def _succeed(self, template: Template, *, is_new: bool) -> None:
        stack = self.stack
        doomed: list[tuple[Resource, str, Properties]] = []
        for resource in stack.resources.values():
            doomed += [(resource, *one) for one in resource.former]
            resource.former = []
        for logical_id in [one for one in stack.resources if one not in template.resources]:
            resource = stack.resources[logical_id]
            if resource.status == "CREATE_FAILED":
                resource.retain = ""
            if resource.retain == "attribute":
                self._skip(resource)
                del stack.resources[logical_id]
            else:
                doomed.append((resource, resource.physical_id, resource.properties))
                if resource.retain == "property":
                    stack.keep(resource.logical_id, resource.properties)
        stack.keep_and_delete([given for resource, _, given in doomed if resource.retain != "property"])
        for resource in stack.resources.values():
            resource.retain = template.retain.get(resource.logical_id, "")
            resource.stable = (resource.physical_id, resource.properties)
        if is_new and not doomed:
            stack.completed()
            stack.reach("CREATE_COMPLETE")
            return
        for resource, physical_id, _ in doomed:
            stack.release(resource.logical_id, physical_id)
        stack.reach("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        stack.completed()
        self._clean_up(doomed)
        stack.reach("UPDATE_COMPLETE")

    # --- rolling back ---------------------------------------------------------------------------------------------

    def _undo_creation(self) -> None:
        stack = self.stack
        doomed = [(one, *former) for one in stack.resources.values() for former in one.former]
        doomed += [(one, one.physical_id, one.properties) for one in stack.resources.values()]
        for resource, physical_id, properties in doomed:
            stack.release(resource.logical_id, physical_id)
            stack.give_back(properties)
        if stack.root is not None:
            stack.reach("DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS")
        else:
            stack.reach("ROLLBACK_IN_PROGRESS")
        done = self._clean_up(doomed, 1)
        stack.reach("ROLLBACK_COMPLETE" if done else "ROLLBACK_FAILED")

    def roll_back(self) -> None:
        """Return to what was at the end of the last operation that ended well."""
        stack = self.stack
        self._cancel = Signal(self.world.clock)
        doomed: list[tuple[Resource, str, Properties]] = []
        returning: list[Resource] = []
        for resource in stack.resources.values():
            stable_id = resource.stable[0] if resource.stable else ""
            gone = [*resource.former, (resource.physical_id, resource.properties)]
            doomed += [(resource, *one) for one in gone if one[0] != stable_id]
            if resource.stable is not None and self._has_changed(resource):
                returning.append(resource)
        for resource, physical_id, properties in doomed:
            stack.release(resource.logical_id, physical_id)
            stack.give_back(properties)
        for resource in stack.resources.values():
            stack.give_back(resource.tried or {})
        stack.reach("UPDATE_ROLLBACK_IN_PROGRESS")
        back: list[bool] = []
        self.at_once([partial(self._return, one, back) for one in returning])
        if not all(back) and not self.ways.skips:
            stack.reach("UPDATE_ROLLBACK_FAILED")
            return
        for resource in stack.resources.values():
            if resource.stable is not None:
                resource.physical_id, resource.properties = resource.stable
                resource.retain = resource.stable_retain
                resource.former, resource.tried, resource.status = [], None, "UPDATE_COMPLETE"
        stack.reach("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS")
        self._clean_up(doomed)
        stack.reach("UPDATE_ROLLBACK_COMPLETE")

    @staticmethod
    def _has_changed(resource: Resource) -> bool:
        return resource.tried is not None or resource.stable != (resource.physical_id, resource.properties)

    def _return(self, resource: Resource, back: list[bool]) -> None:
        """Send the Update back, if there is to be one."""
        assert resource.stable is not None
        stable_id, stable_properties = resource.stable
        must = resource.tried is not None or resource.physical_id == stable_id
        if not must and not self.ways.updates_back:
            return
        old = resource.tried or resource.properties
        answer = self.await_answer(self.send("Update", resource, resource.physical_id, stable_properties, old))
        if answer is None or answer["Status"] != "SUCCESS":
            resource.tried = resource.tried or resource.properties
            back.append(False)
            return
        if answer["PhysicalResourceId"] != stable_id:
            self.world.judge.violation(f"the Update back of {resource.logical_id} answers another id than before")

    # --- deleting -------------------------------------------------------------------------------------------------

    def delete(self) -> None:
        """Delete the stack."""
        stack = self.stack
        doomed: list[tuple[Resource, str, Properties]] = []
        for resource in list(stack.resources.values()):
            doomed += [(resource, *one) for one in resource.former]
            is_live = (resource.logical_id, resource.physical_id) in stack.believed
            if resource.retain == "attribute" and is_live:
                self._skip(resource)
                del stack.resources[resource.logical_id]
                continue
            doomed.append((resource, resource.physical_id, resource.properties))
            if resource.retain and not is_live:
                # Its creation is still being rolled back, and the stack is deleted: nobody has said which counts.
                stack.leave_open(resource.properties)
            if resource.retain == "property" and is_live:
                stack.keep(resource.logical_id, resource.properties)
        for resource, physical_id, _ in doomed:
            stack.release(resource.logical_id, physical_id)
        stack.keep_and_delete([given for resource, _, given in doomed if resource.retain != "property"])
        stack.reach("DELETE_IN_PROGRESS")
        if self._clean_up(doomed, 1):
            stack.reach("DELETE_COMPLETE")
            stack.end()
        else:
            stack.reach("DELETE_FAILED")
