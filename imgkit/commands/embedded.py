"""A client for which the embedded registry answers, in this process, without a socket."""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter

from imgkit.client import Client
from imgkit.client.credentials import Credentials
from imgkit.place import EMBEDDED


def client() -> Client:
    """A client that asks the embedded registry for all that does not name a host of its own."""
    made = Client(mirror=EMBEDDED, credentials=Credentials.of_user())
    made.session.mount(f"{EMBEDDED}/", _Starter(made.session))
    return made


class _Starter(HTTPAdapter):
    """Starts the registry, in place of itself, when it is first asked: real ones need none."""

    def __init__(self, session: requests.Session) -> None:
        super().__init__()
        self._session = session

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """The registry's answer."""
        from imgkit import samples, server  # noqa: PLC0415  see above
        from imgkit.server import transport  # noqa: PLC0415

        transport.mount(self._session, server.Registry([samples.store()]))
        return self._session.get_adapter(str(request.url)).send(request, *args, **kwargs)
