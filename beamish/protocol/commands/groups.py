"""What a group says of itself, who may do what in it, and who may come in."""

from __future__ import annotations

from dataclasses import dataclass

from beamish.protocol import validators
from beamish.protocol.commands.command import InConversation, optional, required

MAX_SLOW_MODE_S = 86_400
MAX_LINK_USES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SetInfo(InConversation):
    """Changes title, description or openness."""

    name = "set_info"
    title: str | None = optional(validators.title)
    description: str | None = optional(validators.description)
    open: bool | None = optional(validators.boolean)

    def __post_init__(self) -> None:
        if self.title is None and self.description is None and self.open is None:
            raise validators.bad_request("give title, description or open", "title")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPermissions(InConversation):
    """Says from which role on members may do what."""

    name = "set_permissions"
    post: str | None = optional(validators.role)
    invite: str | None = optional(validators.role)
    info: str | None = optional(validators.role)

    def __post_init__(self) -> None:
        if self.post is None and self.invite is None and self.info is None:
            raise validators.bad_request("give post, invite or info", "post")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSlowMode(InConversation):
    """Bounds how often a member writes."""

    name = "set_slow_mode"
    seconds: int = required(validators.integer(0, MAX_SLOW_MODE_S))


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateLink(InConversation):
    """Makes an invitation link of the secret that the client has chosen."""

    name = "create_link"
    link: str = required(validators.link_secret)
    expires_at: int | None = optional(validators.integer(1))
    uses: int | None = optional(validators.integer(1, MAX_LINK_USES))


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeLink(InConversation):
    """Ends an invitation link, given its id."""

    name = "revoke_link"
    link: str = required(validators.link_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban(InConversation):
    """Keeps a user out."""

    name = "ban"
    user: str = required(validators.user)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unban(InConversation):
    """Keeps a user out no longer."""

    name = "unban"
    user: str = required(validators.user)
