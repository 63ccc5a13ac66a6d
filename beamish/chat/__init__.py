"""`beamish chat`: the messenger in a terminal, on the Python client.

    signing_in   who this is: the file that is this device, a password where it has no token
    session      trio: client and store, what comes and what the user does
    model        what is known of conversations, by the client's events; pure
    commands     the slash commands
    plain        foreign text made harmless
    rendering    the model as lines of styled text; pure
    screen       asyncio: prompt_toolkit draws the lines and reads the keys
    guest        trio as a guest of asyncio, in one thread
    chat         all of it together

Everything that was received is in the store, so the chat starts without a node, shows what it has,
and queues what is sent.
"""

from __future__ import annotations

from beamish.chat.chat import chat
from beamish.chat.signing_in import default_file, known_user, node_url, sign_in

__all__ = ["chat", "default_file", "known_user", "node_url", "sign_in"]
